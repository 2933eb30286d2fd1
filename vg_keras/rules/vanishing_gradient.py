"""VG101: the backpropagated signal vanishes on its way to the first layers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

from vg_keras.activations import is_rectifier
from vg_keras.record import Record, Training
from vg_keras.rules.advice import LOWER_DECAY, LOWER_RATE
from vg_keras.rules.predicted_signal import with_prediction
from vg_keras.rules.progress import Progress
from vg_keras.rules.rule import Finding, Rule, Watch, hidden_layers, listed
from vg_keras.rules.signal_by_depth import SignalByDepth

_SHRUNK = 0.5
"""Fraction of its first norm below which a kernel has been shrunk by weight decay."""

_OTHER_ADVICE = (
    "Add BatchNormalization or LayerNormalization between the layers.",
    "Add residual connections around every one or two layers.",
)


_CONVERGED = 1e-5
"""Norm of the signal at the last hidden layer below which a resumed run may have converged before:
what is left of the gradient is noise."""


@dataclass(frozen=True)
class VanishingGradient(Rule):
    """The signal at the first hidden layer is a tiny fraction of that at the last one.

    It is compared between layers, never with a number, because a network that has converged has
    small gradients everywhere and is healthy. A network whose loss has fallen is healthy too.

    Args:
        decades: Powers of ten that the signal must lose to be diagnosed at once. Of the networks in
            `experiments/depth`, those that lose less than three still learn.
        doubtful_decades: Powers of ten that the signal must lose at the first record to be
            diagnosed if the loss has not fallen in the meantime. Of 39 healthy runs in the tests,
            none loses more than 1.2.
        update_fraction: If the first hidden layer's kernel moves by at least this fraction of what
            the last one's does, relative to their sizes, the optimizer makes up for the small
            gradient, as Adam often does. This is doubtful too.
        num_steps: Number of steps to wait for the loss in case of doubt.
        num_records: Number of records that there must be by then: enough to see the loss fall.
    """

    decades: float = 3.0
    doubtful_decades: float = 2.0
    update_fraction: float = 0.01
    num_steps: int = 100
    num_records: int = 6

    code = "VG101"
    name = "vanishing-gradient"
    severity = "error"
    needs = ("activation_gradients",)
    advice = ("Use ReLU with he_normal, or tanh with glorot_uniform.", *_OTHER_ADVICE)

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        hidden = hidden_layers(training.model)
        layers = training.model.layers
        kernels = {layer.path: layer.variables[0].path for layer in layers if layer.variables}
        has_rectifiers = any(is_rectifier(layer.activation) for layer in layers)
        progress = Progress(training)
        first: Record | None = None
        num_records = 0
        doubtful: Finding | None = None
        has_begun = began_vanishing = False

        def watch(record: Record) -> Finding | None:
            nonlocal first, num_records, doubtful, has_begun, began_vanishing
            num_records += 1
            first = first or record
            progress.add(record)
            signal = SignalByDepth.of(record, hidden)
            if signal is None or math.isnan(signal.decades):
                return None
            is_first, has_begun = not has_begun, True  # an output layer of zeros passes no signal
            if is_first:
                began_vanishing = signal.decades >= self.decades
            # An output bias alone can make the loss of a vanishing network fall.
            is_below = not signal.decades >= self.decades
            if progress.has_fallen and (is_below or not began_vanishing):
                return None
            num_steps = record.step - first.step
            has_waited = num_steps >= self.num_steps and num_records >= self.num_records
            if has_waited and doubtful is not None and not progress.is_resumed:
                return doubtful
            if not signal.decades >= self.doubtful_decades:
                return None
            if has_rectifiers and math.isinf(signal.decades):
                return None  # not small but zero: dead units, which VG201 reports
            if progress.is_resumed and signal.norms[-1] < _CONVERGED:
                return None
            found = self._finding(signal, record.step)
            at_first = SignalByDepth.of(first, hidden)
            if at_first is not None and at_first.decades < self.decades / 2:
                advice = _advice_on_training(first, record, kernels.values())
                finding = dataclasses.replace(found, advice=advice)
            else:
                finding = with_prediction(found, training.model, signal, _OTHER_ADVICE)
            moved = [_update_ratio(record, kernels[path]) for path in signal.paths]
            is_made_up_for = moved[0] >= self.update_fraction * moved[-1]
            if signal.decades >= self.decades and (has_waited or not is_made_up_for):
                return finding
            if is_first:
                doubtful = finding
            return None

        return watch

    def _finding(self, signal: SignalByDepth, step: int) -> Finding:
        faint = signal.beyond(10 ** -min(self.decades, signal.decades - 1e-9))
        return Finding(
            f"almost no gradient reaches {listed(faint)}. It shrinks {signal.change} from "
            f"{signal.paths[-1]} to {signal.paths[0]}, by a factor of "
            f"{signal.factor_per_layer:.2g} per layer.",
            faint,
            {"decades": signal.decades, "factor_per_layer": signal.factor_per_layer},
            step,
        )


def _update_ratio(record: Record, path: str) -> float:
    """Returns the update ratio of a variable, or NaN if it is not recorded."""
    return record.update_ratio(path) if path in record.update_norms else math.nan


def _advice_on_training(first: Record, record: Record, kernels: Iterable[str]) -> tuple[str, ...]:
    """Returns what to try if the signal has vanished in the course of the training run."""
    has_shrunk = any(
        record.weight_norms[p] < _SHRUNK * first.weight_norms[p]
        for p in kernels
        if p in record.weight_norms and p in first.weight_norms
    )
    advice = (LOWER_DECAY, LOWER_RATE) if has_shrunk else (LOWER_RATE, LOWER_DECAY)
    return (*advice, *_OTHER_ADVICE)

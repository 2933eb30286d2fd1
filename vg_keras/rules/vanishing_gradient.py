"""VG101: the backpropagated signal vanishes on its way to the first layers."""

from __future__ import annotations

import dataclasses
import math
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


@dataclass(frozen=True)
class VanishingGradient(Rule):
    """The signal at the first hidden layer is a tiny fraction of that at the last one.

    It is compared between layers, never with a number, because a network that has converged has
    small gradients everywhere and is healthy. A network whose loss has fallen is healthy too.

    Args:
        decades: Powers of ten that the signal must lose. Of the networks in
            `experiments/depth`, those that lose less than three still learn.
        update_fraction: If the first hidden layer's kernel moves by at least this fraction of what
            the last one's does, relative to their sizes, the optimizer makes up for the small
            gradient, as Adam often does. Then the rule waits to see whether the loss falls.
        num_steps: Number of steps to wait in that case.
        num_records: Number of records that there must be by then: enough to see the loss fall.
    """

    decades: float = 3.0
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

        def watch(record: Record) -> Finding | None:
            nonlocal first, num_records
            num_records += 1
            first = first or record
            progress.add(record)
            signal = SignalByDepth.of(record, hidden)
            if signal is None or not signal.decades >= self.decades or progress.has_fallen:
                return None
            if has_rectifiers and math.isinf(signal.decades):
                return None  # not small but zero: dead units, which VG201 reports
            moved = [_update_ratio(record, kernels[path]) for path in signal.paths]
            is_made_up_for = moved[0] >= self.update_fraction * moved[-1]
            has_waited = record.step - first.step >= self.num_steps
            if is_made_up_for and not (has_waited and num_records >= self.num_records):
                return None
            finding = self._finding(signal)
            at_first = SignalByDepth.of(first, hidden)
            if at_first is not None and at_first.decades < self.decades / 2:
                has_shrunk = any(
                    record.weight_norms[p] < _SHRUNK * first.weight_norms[p]
                    for p in kernels.values()
                    if p in record.weight_norms and p in first.weight_norms
                )
                advice = (LOWER_DECAY, LOWER_RATE) if has_shrunk else (LOWER_RATE, LOWER_DECAY)
                return dataclasses.replace(finding, advice=(*advice, *_OTHER_ADVICE))
            return with_prediction(finding, training.model, signal, _OTHER_ADVICE)

        return watch

    def _finding(self, signal: SignalByDepth) -> Finding:
        lost = f"{10**signal.decades:,.0f}-fold" if signal.decades < 300 else "to nothing"
        faint = signal.beyond(10**-self.decades)
        return Finding(
            f"almost no gradient reaches {listed(faint)}. It shrinks {lost} from "
            f"{signal.paths[-1]} to {signal.paths[0]}, by a factor of "
            f"{signal.factor_per_layer:.2g} per layer.",
            faint,
            {"decades": signal.decades, "factor_per_layer": signal.factor_per_layer},
        )


def _update_ratio(record: Record, path: str) -> float:
    """Returns the update ratio of a variable, or NaN if it is not recorded."""
    return record.update_ratio(path) if path in record.update_norms else math.nan

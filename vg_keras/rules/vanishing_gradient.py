"""VG101: the backpropagated signal vanishes on its way to the first layers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

from vg_keras.activations import is_rectifier
from vg_keras.record import Record, Training
from vg_keras.rules.advice import LOWER_DECAY, LOWER_RATE
from vg_keras.rules.predicted_signal import Witness
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
        return _Vanishing(self, training).watch


class _Vanishing:
    """Watches over one training run."""

    def __init__(self, rule: VanishingGradient, training: Training) -> None:
        layers = training.model.layers
        self._rule = rule
        self._hidden = hidden_layers(training.model)
        self._kernels = {one.path: one.variables[0].path for one in layers if one.variables}
        self._has_rectifiers = any(is_rectifier(layer.activation) for layer in layers)
        self._witness = Witness(training.model)
        self._progress = Progress(training)
        self._num_records = 0
        self._first: Record | None = None
        self._decades_at_first = math.nan
        self._has_signal = False
        """Whether there has been a signal: an output layer of zeros passes none at first."""
        self._began_vanishing = False
        self._doubtful: Finding | None = None

    def watch(self, record: Record) -> Finding | None:
        """Takes the next record, and returns what is wrong with it."""
        rule, progress = self._rule, self._progress
        self._num_records += 1
        progress.add(record)
        signal = SignalByDepth.of(record, self._hidden)
        if self._first is None:
            self._first = record
            self._decades_at_first = math.nan if signal is None else signal.decades
        if signal is None or math.isnan(signal.decades):
            return None
        is_first, self._has_signal = not self._has_signal, True
        is_large = signal.decades >= rule.decades
        if is_first:
            self._began_vanishing = is_large
        # An output bias alone can make the loss of a vanishing network fall.
        if progress.has_fallen and not (is_large and self._began_vanishing):
            return None
        has_waited = self._has_waited(record)
        if has_waited and self._doubtful is not None and not progress.is_resumed:
            return self._doubtful
        if signal.decades < rule.doubtful_decades or self._is_otherwise_explained(signal):
            return None
        finding = self._explained(self._finding(signal, record.step), signal, record)
        if is_large and (has_waited or not self._is_made_up_for(signal, record)):
            return finding
        if is_first:
            self._doubtful = finding
        return None

    def _has_waited(self, record: Record) -> bool:
        """Whether there were enough steps and records to see the loss fall."""
        num_steps = record.step - (self._first or record).step
        return num_steps >= self._rule.num_steps and self._num_records >= self._rule.num_records

    def _is_otherwise_explained(self, signal: SignalByDepth) -> bool:
        """Whether the units are dead, which VG201 reports, or a resumed run has converged."""
        is_dead = self._has_rectifiers and math.isinf(signal.decades)
        return is_dead or (self._progress.is_resumed and signal.norms[-1] < _CONVERGED)

    def _is_made_up_for(self, signal: SignalByDepth, record: Record) -> bool:
        """Whether the optimizer moves the first layer although its gradient is small."""
        first, last = (
            _update_ratio(record, self._kernels[path])
            for path in (signal.paths[0], signal.paths[-1])
        )
        return first >= self._rule.update_fraction * last

    def _finding(self, signal: SignalByDepth, step: int) -> Finding:
        faint = signal.beyond(10 ** -min(self._rule.decades, signal.decades - 1e-9))
        return Finding(
            f"almost no gradient reaches {listed(faint)}. It shrinks {signal.change} from "
            f"{signal.paths[-1]} to {signal.paths[0]}, by a factor of "
            f"{signal.factor_per_layer:.2g} per layer.",
            faint,
            {"decades": signal.decades, "factor_per_layer": signal.factor_per_layer},
            step,
        )

    def _explained(self, finding: Finding, signal: SignalByDepth, record: Record) -> Finding:
        """Returns a finding with its cause: the initial state, or else the training run."""
        if self._first is not None and self._decades_at_first < self._rule.decades / 2:
            advice = _advice_on_training(self._first, record, self._kernels.values())
            return dataclasses.replace(finding, advice=advice)
        return self._witness.testify(finding, signal, _OTHER_ADVICE)


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

"""VG102: the gradient explodes, toward the first layers or from one step to another."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import deque
from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.advice import CLIP, INITIALIZER, LOWER_RATE
from vg_keras.rules.predicted_signal import Witness
from vg_keras.rules.progress import Progress
from vg_keras.rules.rule import Finding, Rule, Watch, hidden_layers, listed
from vg_keras.rules.signal_by_depth import SignalByDepth

_INITIALIZER_FIRST = (INITIALIZER, CLIP, LOWER_RATE)


@dataclass(frozen=True)
class ExplodingGradient(Rule):
    """The signal grows by orders of magnitude toward the input, or the gradient from step to step.

    Args:
        decades: Powers of ten by which the signal must grow from the last hidden layer to the
            first. As for vanishing gradients.
        jump: Factor by which the global gradient norm must exceed its median of the last records. A
            loss spike from which training recovers seldom exceeds 100.
        beyond: Factor by which it must also exceed all earlier norms: where nearly all examples are
            learned, a single one that is not can exceed the median by any factor.
        num_records: Number of records that the median is taken of; no fewer.
        weight_ratio: Factor by which the norm of a kernel's gradient must exceed that of the
            kernel. It is near 1 with most losses, but depends on the scale of the targets.
        output_rms: Root mean square that the output of a layer before the last one must have as
            well, as it does if the forward pass explodes inside a recurrent layer. Of 39 healthy
            runs in the tests, the largest is 8.
    """

    decades: float = 3.0
    jump: float = 1000.0
    beyond: float = 10.0
    num_records: int = 10
    weight_ratio: float = 1e3
    output_rms: float = 1e3

    code = "VG102"
    name = "exploding-gradient"
    severity = "error"
    needs = ("gradients",)
    advice = (LOWER_RATE, CLIP, INITIALIZER)

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        return _Exploding(self, training).watch


class _Exploding:
    """Watches over one training run."""

    def __init__(self, rule: ExplodingGradient, training: Training) -> None:
        self._rule = rule
        self._outputs = training.model.outputs[:-1]
        self._witness = Witness(training.model)
        self._hidden = hidden_layers(training.model)
        self._kernels = training.model.kernels
        self._progress = Progress(training)
        self._last_norms: deque[float] = deque(maxlen=rule.num_records)
        self._largest_norm = 0.0
        self._is_first = True

    def watch(self, record: Record) -> Finding | None:
        """Takes the next record, and returns what is wrong with it."""
        self._progress.add(record)
        is_jump = self._jump(record)  # keeps the norm of every record
        large = self._growth_by_depth(record) or self._larger_than_weights(record)
        is_first, self._is_first = self._is_first, False
        if large is not None and not is_first:
            # The initial weights were all right, so the updates have spoiled them.
            large = dataclasses.replace(large, advice=self._rule.advice)
        return large or is_jump

    def _growth_by_depth(self, record: Record) -> Finding | None:
        signal = SignalByDepth.of(record, self._hidden)
        if signal is None or signal.decades > -self._rule.decades or self._progress.has_fallen:
            return None
        large = signal.beyond(10**self._rule.decades)
        first_layer, last_layer = signal.paths[0], signal.paths[-1]
        finding = Finding(
            f"the gradient grows {signal.change} from {last_layer} to "
            f"{first_layer}, by a factor of {signal.factor_per_layer:.2g} per layer. It is largest "
            f"at {listed(large)}.",
            large,
            {"decades": signal.decades, "factor_per_layer": signal.factor_per_layer},
            advice=_INITIALIZER_FIRST,
        )
        return self._witness.testify(finding, signal, (CLIP,))

    def _larger_than_weights(self, record: Record) -> Finding | None:
        norms = {p: record.weight_norms[p] for p in self._kernels if p in record.weight_norms}
        ratios = {p: record.gradients[p].norm / norm for p, norm in norms.items() if norm > 0}
        large = tuple(p for p, ratio in ratios.items() if ratio > self._rule.weight_ratio)
        if not large or self._largest_output(record) <= self._rule.output_rms:
            return None
        worst = max(large, key=lambda path: ratios[path])
        return Finding(
            f"the gradient of {worst} is {ratios[worst]:.1e} times as large as the kernel itself. "
            f"Kernels with this problem: {listed(large)}.",
            large,
            {"ratio": ratios[worst]},
            advice=_INITIALIZER_FIRST,
        )

    def _largest_output(self, record: Record) -> float:
        """Returns the largest root mean square of the outputs before the last layer."""
        paths = [path for path in self._outputs if path in record.activations]
        outputs = [record.activations[path] for path in paths]
        return max((o.finite_norm / math.sqrt(o.count or 1) for o in outputs), default=0.0)

    def _jump(self, record: Record) -> Finding | None:
        rule, norm = self._rule, record.global_gradient_norm
        is_known = len(self._last_norms) == rule.num_records
        median = statistics.median(self._last_norms) if is_known else math.nan
        is_jump = norm > rule.jump * median and norm > rule.beyond * self._largest_norm
        if math.isfinite(norm):
            self._last_norms.append(norm)
            self._largest_norm = max(self._largest_norm, norm)
        if not is_jump:
            return None
        largest = max(record.gradients, key=lambda path: record.gradients[path].norm)
        return Finding(
            f"the global gradient norm is {norm:.2g}, {norm / median:,.0f} times its median of the "
            f"last {rule.num_records} records. It is largest at {largest}.",
            (largest,),
            {"norm": norm, "median": median},
        )

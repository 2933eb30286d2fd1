"""VG102: the gradient explodes, toward the first layers or from one step to another."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.predicted_signal import with_prediction
from vg_keras.rules.rule import Finding, Rule, Watch, hidden_layers, listed
from vg_keras.rules.signal_by_depth import SignalByDepth
from vg_keras.rules.update_ratios import kernels_of


@dataclass(frozen=True)
class ExplodingGradient(Rule):
    """The signal grows by orders of magnitude toward the input, or the gradient from step to step.

    Args:
        decades: Powers of ten by which the signal must grow from the last hidden layer to the
            first. As for vanishing gradients.
        jump: Factor by which the global gradient norm must exceed its median of the last records. A
            loss spike from which training recovers seldom exceeds 100.
        num_records: Number of records that the median is taken of; no fewer.
        weight_ratio: Factor by which the norm of a kernel's gradient must exceed that of the
            kernel. It is near 1 with most losses, and up to 1e4 if a loss is summed over a batch or
            targets are far from 1.
    """

    decades: float = 3.0
    jump: float = 1000.0
    num_records: int = 10
    weight_ratio: float = 1e6

    code = "VG102"
    name = "exploding-gradient"
    severity = "error"
    needs = ("gradients",)
    advice = (
        "Lower the learning rate, for example by a factor of ten.",
        "Use an initializer that fits the activation: he_normal for ReLU, glorot_uniform for tanh.",
        "Clip the gradient: `clipnorm=1.0` in the optimizer.",
    )

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        hidden = hidden_layers(training.model)
        kernels = kernels_of(training)
        usual: deque[float] = deque(maxlen=self.num_records)

        def watch(record: Record) -> Finding | None:
            signal = SignalByDepth.of(record, hidden)
            if signal is not None and signal.decades <= -self.decades:
                large = signal.beyond(10**self.decades)
                finding = Finding(
                    f"the gradient grows {10**-signal.decades:,.0f}-fold from {signal.paths[-1]} "
                    f"to {signal.paths[0]}, by a factor of {signal.factor_per_layer:.2g} per "
                    f"layer. It is largest at {listed(large)}.",
                    large,
                    {"decades": signal.decades, "factor_per_layer": signal.factor_per_layer},
                    advice=self.advice[1:] + self.advice[:1],
                )
                return with_prediction(finding, training.model, signal, self.advice[2:])
            ratios = _relative_to_weights(record, kernels)
            large = tuple(path for path, ratio in ratios.items() if ratio > self.weight_ratio)
            if large:
                worst = max(large, key=lambda path: ratios[path])
                return Finding(
                    f"the gradient of {worst} is {ratios[worst]:.1e} times as large as the kernel "
                    f"itself. Kernels with this problem: {listed(large)}.",
                    large,
                    {"ratio": ratios[worst]},
                    advice=self.advice[1:] + self.advice[:1],
                )
            norm = record.global_gradient_norm
            median = statistics.median(usual) if len(usual) == self.num_records else math.nan
            if math.isfinite(norm):
                usual.append(norm)
            if not norm > self.jump * median:
                return None
            largest = max(record.gradients, key=lambda path: record.gradients[path].norm)
            return Finding(
                f"the global gradient norm is {norm:.2g}, {norm / median:,.0f} times its median of "
                f"the last {self.num_records} records. It is largest at {largest}.",
                (largest,),
                {"norm": norm, "median": median},
            )

        return watch


def _relative_to_weights(record: Record, kernels: list[str]) -> dict[str, float]:
    """Returns ||gradient|| / ||kernel|| of the kernels whose norms are known and not zero."""
    norms = {path: record.weight_norms[path] for path in kernels if path in record.weight_norms}
    return {path: record.gradients[path].norm / norm for path, norm in norms.items() if norm > 0}

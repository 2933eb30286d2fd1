"""VG401: all updates are tiny compared with the weights, and the loss does not fall."""

from __future__ import annotations

from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.advice import raise_rate
from vg_keras.rules.progress import Progress
from vg_keras.rules.rule import Finding, Rule, Watch
from vg_keras.rules.update_ratios import UpdateRatios

_HEALTHY = 0.03
"""The largest update ratio to aim at: that of a first step of Adam with its default learning rate
in a layer of 1,000 units. In `experiments/cures`, a tenth of it is too slow."""


@dataclass(frozen=True)
class SmallUpdates(Rule):
    """From the first step on, no update has moved any kernel noticeably, and the loss stays.

    Small updates late in a training run are no problem: a network that has converged, or whose
    learning rate has decayed, hardly moves. So only the largest update so far counts. A layer that
    moves less than the others is the concern of VG101.

    Args:
        ratio: Update ratio that the largest update of any kernel so far must stay below. With
            1e-5 per step, it takes 100,000 steps to change a kernel by its own size. Healthy
            training runs reach 1e-3 (Karpathy), and in a warm-up of 1,000 steps 1e-5 at step 10.
        num_steps: Number of steps to wait, so that a warm-up is not taken for a problem.
        num_records: Number of records that there must be by then.

    References:
        A. Karpathy, CS231n course notes, "Ratio of weights:updates": about 1e-3 is healthy.
    """

    ratio: float = 1e-5
    num_steps: int = 100
    num_records: int = 8

    code = "VG401"
    name = "small-updates"
    severity = "warning"
    needs = ("update_norms", "weight_norms", "loss")
    needs_first_loss = True
    advice = (
        "Raise the learning rate, for example by a factor of 100.",
        "Check whether a schedule keeps the learning rate near zero.",
        "Check whether the loss is scaled down, for example by a mean over the wrong axis.",
    )

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        kernels = UpdateRatios(training)
        progress = Progress(training)
        first_step: int | None = None
        num_records, largest = 0, 0.0

        def watch(record: Record) -> Finding | None:
            nonlocal first_step, num_records, largest
            progress.add(record)
            ratios = kernels.of(record)
            if not ratios:
                return None
            first_step = record.step if first_step is None else first_step
            num_records += 1
            largest = max(largest, *ratios.values())
            has_waited = record.step - first_step >= self.num_steps
            if not has_waited or num_records < self.num_records:
                return None
            gradients = (record.gradients[path] for path in ratios if path in record.gradients)
            has_gradient = any(gradient.finite_norm for gradient in gradients)
            if largest >= self.ratio or progress.has_fallen or not has_gradient:
                return None
            how_far = f"by more than {largest:.1e} of its size" if largest else "at all"
            return Finding(
                f"in {record.step - first_step:,} steps, no update has moved any kernel "
                f"{how_far}, and the loss does not fall.",
                tuple(ratios),
                {"largest_ratio": largest},
                first_step,
                advice=(raise_rate(_HEALTHY / largest), *self.advice[1:])
                if largest
                else self.advice[1:] + self.advice[:1],
            )

        return watch

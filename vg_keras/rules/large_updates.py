"""VG402: updates are as large as the weights themselves, and the loss does not fall."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.progress import Progress
from vg_keras.rules.rule import Finding, Rule, Watch, listed
from vg_keras.rules.update_ratios import kernels_of, update_ratios


@dataclass(frozen=True)
class LargeUpdates(Rule):
    """Single updates move a kernel by a large part of its size, and the loss does not fall.

    The first steps of Adam are large where the initial weights are small, and do no harm if the
    loss falls. So several records must show it, and the loss must not have fallen.

    Args:
        ratio: Update ratio that a kernel must exceed: each step replaces a tenth of what it holds.
            Healthy training runs stay near 1e-3 (Karpathy).
        num_records: Number of records in a row that must show it.

    References:
        A. Karpathy, CS231n course notes, "Ratio of weights:updates": about 1e-3 is healthy.
    """

    ratio: float = 0.1
    num_records: int = 5

    code = "VG402"
    name = "large-updates"
    severity = "warning"
    needs = ("update_norms", "weight_norms", "loss")
    advice = (
        "Lower the learning rate, for example by a factor of ten.",
        "Warm the learning rate up from zero over the first steps.",
        "Clip the gradient: `clipnorm=1.0` in the optimizer.",
    )

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        kernels = kernels_of(training)
        progress = Progress()
        in_a_row: Counter[str] = Counter()

        def watch(record: Record) -> Finding | None:
            progress.add(record)
            ratios = update_ratios(record, kernels)
            for path, ratio in ratios.items():
                in_a_row[path] = in_a_row[path] + 1 if ratio > self.ratio else 0
            found = tuple(path for path in ratios if in_a_row[path] >= self.num_records)
            if not found or progress.has_fallen:
                return None
            worst = max(found, key=lambda path: ratios[path])
            return Finding(
                f"each step moves {worst} by {ratios[worst]:.2g} of its size, and the loss does "
                f"not fall. Kernels with this problem: {listed(found)}.",
                found,
                {"ratio": ratios[worst]},
            )

        return watch

"""VG402: updates are as large as the weights themselves, and the loss does not fall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.advice import CLIP, LOWER_RATE
from vg_keras.rules.in_a_row import InARow
from vg_keras.rules.progress import Progress
from vg_keras.rules.rule import Finding, Rule, Watch, listed
from vg_keras.rules.update_ratios import UpdateRatios

_GONE = 0.01
"""Fraction of its first norm below which a kernel is left to VG103: any update is large for it."""


@dataclass(frozen=True)
class LargeUpdates(Rule):
    """Single updates move a kernel by a large part of its size, and the loss does not fall.

    The first steps of Adam are large where the initial weights are small, and do no harm if the
    loss falls. So several records must show it, and the loss must not have fallen.

    Args:
        ratio: Update ratio that a kernel must exceed: each step replaces a tenth of what it holds.
            Healthy training runs stay near 1e-3 (Karpathy).
        num_records: Number of records in a row that must show it. Of 39 healthy runs in the tests,
            one shows it for five.
        growth: Factor by which the norm of a kernel must have grown since the first record, as a
            few huge steps make it. Of the same runs, none grows more than 12-fold.

    References:
        A. Karpathy, CS231n course notes, "Ratio of weights:updates": about 1e-3 is healthy.
    """

    ratio: float = 0.1
    num_records: int = 8
    growth: float = 20.0

    code = "VG402"
    name = "large-updates"
    severity = "warning"
    needs = ("update_norms", "weight_norms", "loss")
    needs_first_loss = True
    advice = (
        LOWER_RATE,
        "Warm the learning rate up from zero over the first steps.",
        CLIP,
    )

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        kernels = UpdateRatios(training)
        progress = Progress(training)
        in_a_row = InARow(self.num_records)
        num_records = 0

        def watch(record: Record) -> Finding | None:
            nonlocal num_records
            num_records += 1
            progress.add(record)
            ratios = kernels.of(record)
            grown = {p: record.weight_norms[p] / kernels.first_norms[p] for p in ratios}
            found = in_a_row.add(
                {path: r > self.ratio and grown[path] > _GONE for path, r in ratios.items()}
            )
            if progress.has_fallen:
                return None
            if not found:
                return self._grown(grown) if num_records >= self.num_records else None
            worst = max(found, key=lambda path: ratios[path])
            return Finding(
                f"each step moves {worst} by {ratios[worst]:.2g} of its size, and the loss does "
                f"not fall. Kernels with this problem: {listed(found)}.",
                found,
                {"ratio": ratios[worst]},
            )

        return watch

    def _grown(self, grown: Mapping[str, float]) -> Finding | None:
        """Returns the kernels that have grown too much since the first record."""
        found = tuple(path for path, factor in grown.items() if factor >= self.growth)
        if not found:
            return None
        worst = max(found, key=lambda path: grown[path])
        return Finding(
            f"{worst} is {grown[worst]:,.0f} times as large as at the first record, and the loss "
            f"does not fall. Kernels with this problem: {listed(found)}.",
            found,
            {"growth": grown[worst]},
        )

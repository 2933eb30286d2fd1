"""VG501: a trainable variable gets no gradient at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.rule import Finding, Rule, Watch, listed


@dataclass(frozen=True)
class NoGradient(Rule):
    """The loss does not depend on a variable: its gradient is None at every record.

    Args:
        num_records: Number of records, from the first, at which this must be so.
    """

    num_records: int = 2

    code = "VG501"
    name = "no-gradient"
    severity = "warning"
    needs = ("gradients",)
    advice = (
        "Connect the layer to the loss: look for an output that is not used, or `stop_gradient`.",
        "If it is not to be trained, set `trainable = False`.",
    )

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        without: Counter[str] = Counter()
        num_records = 0

        def watch(record: Record) -> Finding | None:
            nonlocal num_records
            num_records += 1
            without.update(record.without_gradient)
            found = tuple(p for p in record.without_gradient if without[p] == num_records)
            if not found or num_records < self.num_records:
                return None
            return Finding(
                f"the loss does not depend on {listed(found)}, which therefore are not trained.",
                found,
                {"variables": len(found)},
            )

        return watch

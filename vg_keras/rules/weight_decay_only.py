"""VG103: all of a variable's gradient comes from its regularizer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from vg_keras.record import ModelDescription, Record
from vg_keras.rules.rule import Finding, Rule, Watch, listed


@dataclass(frozen=True)
class WeightDecayOnly(Rule):
    """The gradient of the data loss is negligible beside what the regularizer adds.

    Where training has converged, both cancel and are equally large. So a variable whose data loss
    contributes almost nothing is pulled to zero and learns nothing.

    Args:
        fraction: Norm of the data loss's gradient, relative to that of the regularizer's part.
        num_records: Number of records in a row that must show it.

    References:
        He et al., Delving Deep into Rectifiers, ICCV 2015, footnote 2: with weight decay, the
        gradient does not vanish even if the gradient of the data loss does.
    """

    fraction: float = 1e-3
    num_records: int = 3

    code = "VG103"
    name = "weight-decay-only"
    severity = "warning"
    needs = ("data_loss_gradients", "regularization_gradients")
    advice = (
        "Find out why the loss's gradient vanishes in these layers: the regularizer hides it.",
        "Lower the factor of the regularizer.",
    )

    def start(self, model: ModelDescription) -> Watch:
        """Returns a watch over a training run of a model."""
        in_a_row: Counter[str] = Counter()

        def watch(record: Record) -> Finding | None:
            ratios = {
                path: record.data_loss_gradients[path].norm / part.norm
                for path, part in record.regularization_gradients.items()
                if part.norm > 0 and path in record.data_loss_gradients
            }
            for path, ratio in ratios.items():
                in_a_row[path] = in_a_row[path] + 1 if ratio < self.fraction else 0
            found = tuple(path for path in ratios if in_a_row[path] >= self.num_records)
            if not found:
                return None
            worst = max(ratios[path] for path in found)
            return Finding(
                f"the regularizer makes up the whole gradient of {listed(found)}: that of the "
                f"data loss is at most {worst:.1e} times as large.",
                found,
                {"largest_ratio": worst},
            )

        return watch

"""VG103: all of a variable's gradient comes from its regularizer."""

from __future__ import annotations

from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.advice import LOWER_DECAY
from vg_keras.rules.in_a_row import InARow
from vg_keras.rules.rule import Finding, Rule, Watch, listed


@dataclass(frozen=True)
class WeightDecayOnly(Rule):
    """The gradient of the data loss is negligible beside weight decay, or the weights are gone.

    Where training has converged, both cancel and are equally large. So a variable whose data loss
    contributes almost nothing is pulled to zero and learns nothing.

    Args:
        fraction: Norm of the data loss's gradient, relative to that of the regularizer's part.
        num_records: Number of records in a row that must show it.
        shrunk: Fraction of its first norm to which a kernel must have shrunk, if updates are
            recorded. This finds the weight decay of an optimizer, which is no part of the loss.

    References:
        He et al., Delving Deep into Rectifiers, ICCV 2015, footnote 2: with weight decay, the
        gradient does not vanish even if the gradient of the data loss does.
    """

    fraction: float = 1e-3
    num_records: int = 3
    shrunk: float = 1e-3

    code = "VG103"
    name = "weight-decay-only"
    severity = "warning"
    needs = ("gradients",)
    advice = (
        LOWER_DECAY,
        "Find out why the loss's gradient vanishes in these layers: the regularizer hides it.",
    )

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        in_a_row = InARow(self.num_records)
        kernels = training.model.kernels
        first: dict[str, float] = {}

        def watch(record: Record) -> Finding | None:
            ratios = {
                path: record.data_loss_gradients[path].norm / part.norm
                for path, part in record.regularization_gradients.items()
                if part.norm > 0 and path in record.data_loss_gradients
            }
            found = in_a_row.add({path: ratio < self.fraction for path, ratio in ratios.items()})
            if not found:
                return self._shrunk(record, kernels, first)
            worst = max(ratios[path] for path in found)
            return Finding(
                f"the regularizer makes up the whole gradient of {listed(found)}: that of the "
                f"data loss is at most {worst:.1e} times as large.",
                found,
                {"largest_ratio": worst},
            )

        return watch

    def _shrunk(
        self, record: Record, kernels: tuple[str, ...], first: dict[str, float]
    ) -> Finding | None:
        """Returns the kernels that have shrunk to nothing; `first` keeps their first norms."""
        norms = {path: record.weight_norms[path] for path in kernels if path in record.weight_norms}
        for path, norm in norms.items():
            first.setdefault(path, norm)
        found = tuple(path for path, norm in norms.items() if norm < self.shrunk * first[path])
        if not found:
            return None
        worst = min(found, key=lambda path: norms[path] / first[path])
        ratio = norms[worst] / first[worst]
        return Finding(
            f"weight decay has shrunk {listed(found)}: the norm of {worst} is {ratio:.1e} times "
            "what it was at the first record.",
            found,
            {"norm_ratio": ratio},
            advice=(LOWER_DECAY,),
        )

"""VG202: most units of a hidden layer are in the flat part of their activation function."""

from __future__ import annotations

from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.advice import LOWER_RATE
from vg_keras.rules.in_a_row import InARow
from vg_keras.rules.progress import Progress
from vg_keras.rules.rule import Finding, Rule, Watch, hidden_layers, listed

_START = (
    "Standardize the inputs to mean 0 and standard deviation 1, and start from glorot_uniform "
    "weights."
)
_NORMALIZE = "Add BatchNormalization before the activation."
_RATE_FIRST = (LOWER_RATE, _NORMALIZE, _START)


@dataclass(frozen=True)
class SaturatedUnits(Rule):
    """Most units of a hidden layer are saturated, and the loss does not fall.

    Saturation by itself is no problem: the output of a classifier saturates when it is sure, and so
    do the gates of a recurrent layer. So output layers and recurrent ones are left out, and so is a
    network whose loss has fallen.

    Args:
        fraction: Fraction of units that must be saturated, averaged over the examples. Networks
            that are initialized well start below 0.1; see "How to read these charts" in
            docs/tensorboard.md.
        num_records: Number of records in a row that must show it: enough to see whether the loss
            falls.
    """

    fraction: float = 0.8
    num_records: int = 6

    code = "VG202"
    name = "saturated-units"
    severity = "warning"
    needs = ("saturated_units",)
    needs_first_loss = True
    advice = (_START, _NORMALIZE, LOWER_RATE)

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        hidden = set(hidden_layers(training.model))
        in_a_row = InARow(self.num_records)
        progress = Progress(training)
        once_free: set[str] = set()

        def watch(record: Record) -> Finding | None:
            progress.add(record)
            fractions = {p: f for p, f in record.saturated_units.items() if p in hidden}
            is_saturated = {path: part >= self.fraction for path, part in fractions.items()}
            once_free.update(path for path, is_so in is_saturated.items() if not is_so)
            found = in_a_row.add(is_saturated)
            if not found or progress.has_fallen:
                return None
            loss = ", and the loss does not fall" if self.num_records > 1 else ""
            worst = max(found, key=lambda path: fractions[path])
            return Finding(
                f"{fractions[worst]:.0%} of the units of {worst} are in the flat part of their "
                f"activation function, where they pass almost no gradient{loss}. "
                f"Layers with this problem: {listed(found)}.",
                found,
                {"fraction": fractions[worst]},
                # Units that were not saturated at first were driven there by training.
                advice=_RATE_FIRST if worst in once_free else self.advice,
            )

        return watch

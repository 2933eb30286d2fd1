"""One record of each training run in a log: its numbers, and what to know of the log besides.

Reading one record is much faster than reading the numbers of all, as `logged_runs.py` does. Imports
neither TensorFlow nor Keras.
"""

from __future__ import annotations

from dataclasses import dataclass

from vg_keras.layer_quantities import LayerQuantity, recorded_in
from vg_keras.log.numbers import Numbers, parse_numbers
from vg_keras.log.reader import (
    OnProgress,
    check_has,
    follow,
    no_training_run,
    stored_at,
)
from vg_keras.logged_runs import notes_on
from vg_keras.profiles import Profile
from vg_keras.record import Training


@dataclass(frozen=True, eq=False)
class LoggedRecord:
    """One record of a training run.

    Args:
        log: The path of the log.
        training: The training run, without records.
        numbers: The numbers of the record.
        notes: Notes on missing or damaged parts of the log.
    """

    log: str
    training: Training
    numbers: Numbers
    notes: tuple[str, ...]

    @property
    def recorded(self) -> list[str]:
        """The names of the quantities in the record."""
        return recorded_in(self.numbers)

    def profile(self, quantity: LayerQuantity) -> Profile:
        """Returns the values of a recorded quantity, in one row."""
        return quantity.of_record(self.training.model, self.numbers)

    def values(self, quantity: LayerQuantity) -> dict[str, float]:
        """Returns the values of a recorded quantity by path.

        NaN where nothing was recorded, infinite where a value is not finite.
        """
        found = self.profile(quantity)
        return {path: found.value(0, column) for column, path in enumerate(found.paths)}


def read_records(
    log: str,
    step: int | None = None,
    training_id: str | None = None,
    on_progress: OnProgress | None = None,
) -> list[LoggedRecord]:
    """Reads one record of each training run in a log.

    Args:
        log: The path of the log.
        step: Its step: the last recorded one that is not later. The last one of all by default. A
            training run without such a record is left out.
        training_id: The id of the training run to read; all of them by default.
        on_progress: Called while the log is read.

    Raises:
        FileNotFoundError: If there is no log.
        FormatVersionError: If a newer version of vg_keras wrote the log.
        NoTrainingRunError: If it holds no training run.
        ValueError: If it holds no such training run.
    """
    follower = follow(log)
    stored = stored_at(follower, step, on_progress)
    found = [(one.training, one.parsed(parse_numbers)) for one in stored]
    ids = [training.id for training in follower.trainings]
    if not ids:
        raise no_training_run(log, follower.damage)
    check_has(log, training_id, ids)
    return [
        LoggedRecord(log, training, numbers, notes_on(training, follower.damage))
        for training, numbers in found
        if numbers is not None and training_id in (None, training.id)
    ]

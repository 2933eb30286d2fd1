"""Reads the numbers of chosen training runs of several logs, for reports and comparisons.

A training run is chosen by the path of its log or, if the log has several, by `LOG_DIR@ID`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vg_keras.layer_quantities import LAYER_QUANTITIES, recorded_in
from vg_keras.log.event_file import StoredRecord
from vg_keras.log.format import parse_record
from vg_keras.log.numbers import Numbers, parse_numbers
from vg_keras.log.reader import (
    Follower,
    OnProgress,
    OnSkipped,
    check_has,
    logs_in,
    no_training_run,
    read_each,
)
from vg_keras.log.storage import is_remote
from vg_keras.number_table import NumberTable, Place
from vg_keras.profiles import Profile
from vg_keras.record import Record, Training

_SEPARATOR = "@"


@dataclass
class LoggedRun:
    """A training run of a log, with the numbers of its records, but not the records.

    Args:
        log: The path of the log.
        training: The training run, without records.
        damage: One sentence for each part of the log that could not be read.
        table: The numbers of the records.
        name: A short name, different from those of the other chosen ones.
        losses: The step and the loss of each record that has one.
        last_numbers: The numbers of the last record; None if there is none.
    """

    log: str
    training: Training
    damage: tuple[str, ...]
    table: NumberTable
    name: str = ""
    losses: list[tuple[int, float]] = field(default_factory=list)
    last_numbers: Numbers | None = None
    _last: StoredRecord | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on missing or damaged parts of the log."""
        return notes_on(self.training, self.damage)

    @property
    def last_record(self) -> Record | None:
        """The last record; None if there is none, or if it is damaged."""
        return self._last.parsed(parse_record) if self._last else None

    def add(self, stored: StoredRecord) -> None:
        """Adds the next record."""
        numbers = stored.parsed(parse_numbers)
        if numbers is None:
            return
        self.table.add(numbers, Place(stored.path, stored.start))
        if "loss" in numbers.of_model:
            self.losses.append((numbers.step, numbers.of_model["loss"]))
        self.last_numbers, self._last = numbers, stored

    @property
    def last_recorded(self) -> list[str]:
        """The names of the quantities in the last record."""
        return recorded_in(self.last_numbers) if self.last_numbers else []

    def last_profile(self, name: str) -> Profile:
        """Returns a quantity of the last record, in one row.

        Raises:
            ValueError: If the last record has no such quantity, or there is none.
        """
        if self.last_numbers is None:
            raise ValueError(f"There is no record in {self.log}.")
        return LAYER_QUANTITIES[name].of_record(self.training.model, self.last_numbers)


@dataclass(frozen=True)
class ChosenRun:
    """A training run that was chosen, and is not read yet.

    Args:
        log: The path of the log.
        training_id: Its id.
        began: When it began, in seconds since 1970.
        number: Its place among the training runs of the log, from 1.
    """

    log: str
    training_id: str
    began: float
    number: int


def find_all(paths: Iterable[str], on_skipped: OnSkipped | None = None) -> list[ChosenRun]:
    """Finds all training runs of some logs, in the order of the paths.

    Args:
        paths: Each a log as in `read_run`, a local directory that contains logs, or `LOG_DIR@ID`
            for one training run.
        on_skipped: Called for each log without a training run, if another one has any.

    Raises:
        FileNotFoundError: If there is no log at a path.
        FormatVersionError: If a newer version of vg_keras wrote a log.
        ValueError: If a log holds no such training run.
    """
    ids: dict[tuple[str, str | None], None] = {}
    for path in paths:
        directory, training_id = split(path)
        logs = [directory] if training_id else logs_in(directory)
        ids |= {(log, training_id): None for log in logs}
    found = read_each(ids, lambda one: _found(*one), on_skipped)
    return list(dict.fromkeys(found))


def find_latest(paths: Iterable[str]) -> list[ChosenRun]:
    """Finds one training run of each log: the latest one, unless another is named.

    Args:
        paths: Each a log as in `read_run`, or `LOG_DIR@ID`.

    Raises:
        FileNotFoundError: If there is no log at a path.
        FormatVersionError: If a newer version of vg_keras wrote a log.
        ValueError: If a log holds no such training run.
    """
    return list(dict.fromkeys(_found(*split(path))[-1] for path in paths))


def read(runs: Sequence[ChosenRun], on_progress: OnProgress | None = None) -> list[LoggedRun]:
    """Reads training runs.

    Args:
        runs: The training runs.
        on_progress: Called while a log is read.
    """
    found: dict[tuple[str, str], LoggedRun] = {}
    for log in dict.fromkeys(run.log for run in runs):
        of_log = {run.training_id for run in runs if run.log == log}
        found |= {(log, run.training.id): run for run in _read(log, of_log, on_progress)}
    every = [found[run.log, run.training_id] for run in runs]
    for run, name in zip(every, names_of(runs), strict=True):
        run.name = name
    return every


def notes_on(training: Training, damage: Iterable[str]) -> tuple[str, ...]:
    """Returns notes on missing or damaged parts of a log, in sentences.

    Args:
        training: A training run of the log.
        damage: One sentence for each part of the log that could not be read.
    """
    end = "The log is incomplete: the training run is still in progress or was interrupted."
    notes = [end] if training.is_unfinished else []
    return (*notes, *(f"Damaged: {sentence}" for sentence in damage))


def split(path: str) -> tuple[str, str | None]:
    """Splits `LOG_DIR@ID` into the path of a log and the id of a training run, if there is one.

    A path that exists is that of a log.
    """
    log, separator, training_id = path.rpartition(_SEPARATOR)
    if not separator or not training_id or is_remote(path) or Path(path).exists():
        return path, None
    return log, training_id


def _found(log: str, training_id: str | None) -> list[ChosenRun]:
    """Returns the training runs of a log, or the one with that id, in the order of beginning."""
    follower = Follower(log)
    follower.check_exists()
    begun = follower.begun()
    ids = [training.id for training in begun]
    if not begun:
        raise no_training_run(log)
    check_has(log, training_id, ids)
    log = log if is_remote(log) else os.path.normpath(log)
    return [
        ChosenRun(log, training.id, training.began, number)
        for number, training in enumerate(begun, 1)
        if training_id in (None, training.id)
    ]


def _read(log: str, ids: Collection[str], on_progress: OnProgress | None) -> list[LoggedRun]:
    follower = Follower(log)
    runs = {
        training.id: LoggedRun(log, training, (), NumberTable(training.model))
        for training in follower.begun()
        if training.id in ids
    }
    for stored in follower.poll_stored(next(iter(ids)) if len(ids) == 1 else None):
        if stored.training.id in runs:
            runs[stored.training.id].add(stored)
        if on_progress is not None:
            on_progress(log, follower.fraction_read)
    for training in follower.trainings:
        if training.id in runs:  # its end, and its verdict, are known now
            runs[training.id].training, runs[training.id].damage = training, follower.damage
    return list(runs.values())


def names_of(runs: Sequence[ChosenRun]) -> list[str]:
    """Names training runs after their logs, with their place if there are several of a log."""
    logs = [run.log for run in runs]
    short = _short(list(dict.fromkeys(logs)))
    return [short[r.log] + (f" #{r.number}" if logs.count(r.log) > 1 else "") for r in runs]


def _short(logs: Sequence[str]) -> dict[str, str]:
    """Returns the part of each path in which it differs from the others."""
    if any(map(is_remote, logs)):
        return {log: log for log in logs}
    paths = {log: os.path.abspath(log) for log in logs}
    common = os.path.commonpath([os.path.dirname(path) for path in paths.values()])
    return {log: os.path.relpath(path, common) for log, path in paths.items()}

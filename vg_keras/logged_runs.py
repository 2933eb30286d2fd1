"""Reads the numbers of chosen training runs of several logs, for reports and comparisons.

A training run is chosen by the path of its log or, if the log has several, by `LOG_DIR@ID`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vg_keras.log.event_file import StoredRecord
from vg_keras.log.format import parse_record
from vg_keras.log.numbers import parse_numbers
from vg_keras.log.reader import (
    Follower,
    OnProgress,
    logs_in,
    no_such_training,
    no_training_run,
)
from vg_keras.log.storage import is_remote
from vg_keras.number_table import NumberTable, Place
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
    """

    log: str
    training: Training
    damage: tuple[str, ...]
    table: NumberTable
    name: str = ""
    losses: list[tuple[int, float]] = field(default_factory=list)
    _last: StoredRecord | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what the log lacks."""
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
        self._last = stored


@dataclass(frozen=True)
class ChosenRun:
    """A training run that was chosen, and is not read yet.

    Args:
        log: The path of the log.
        training_id: Its id.
        began: When it began, in seconds since 1970.
    """

    log: str
    training_id: str
    began: float


def find_all(paths: Iterable[str]) -> list[ChosenRun]:
    """Finds all training runs of some logs, in the order of the paths.

    Args:
        paths: Each a log as in `read_run`, a local directory that contains logs, or `LOG_DIR@ID`
            for one training run.

    Raises:
        FileNotFoundError: If there is no log at a path.
        FormatVersionError: If a newer version of vg_keras wrote a log.
        ValueError: If a log holds no such training run.
    """
    found = []
    for path in paths:
        directory, training_id = split(path)
        logs = [directory] if training_id else logs_in(directory)
        found += [run for log in logs for run in _found(log, training_id)]
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
    return _with_names([found[run.log, run.training_id] for run in runs])


def notes_on(training: Training, damage: Iterable[str]) -> tuple[str, ...]:
    """Returns sentences on what a log lacks: its end, and what is damaged.

    Args:
        training: A training run of the log.
        damage: One sentence for each part of the log that could not be read.
    """
    end = "The log has no end: the training run is still going on, or was interrupted."
    notes = [end] if training.is_unfinished else []
    return (*notes, *(f"Damaged: {sentence}" for sentence in damage))


def split(path: str) -> tuple[str, str | None]:
    """Splits `LOG_DIR@ID` into the path of a log and the id of a training run, if there is one.

    A path that exists is that of a log.
    """
    log, separator, training_id = path.rpartition(_SEPARATOR)
    if not separator or is_remote(path) or Path(path).exists():
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
    if training_id not in (None, *ids):
        raise no_such_training(log, str(training_id), ids)
    log = log if is_remote(log) else os.path.normpath(log)
    return [ChosenRun(log, t.id, t.began) for t in begun if training_id in (None, t.id)]


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


def _with_names(runs: Sequence[LoggedRun]) -> list[LoggedRun]:
    """Names each training run after its log, with a number if there are several of the log."""
    logs = [run.log for run in runs]
    short = _short(list(dict.fromkeys(logs)))
    for number, run in enumerate(runs):
        of_log = f" #{logs[: number + 1].count(run.log)}" if logs.count(run.log) > 1 else ""
        run.name = short[run.log] + of_log
    return list(runs)


def _short(logs: Sequence[str]) -> dict[str, str]:
    """Returns the part of each path in which it differs from the others."""
    if any(map(is_remote, logs)):
        return {log: log for log in logs}
    paths = {log: os.path.abspath(log) for log in logs}
    common = os.path.commonpath([os.path.dirname(path) for path in paths.values()])
    return {log: os.path.relpath(path, common) for log, path in paths.items()}

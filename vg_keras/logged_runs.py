"""Reads the numbers of chosen training runs of several logs, for reports and comparisons.

A training run is chosen by the path of its log or, if the log has several, by `LOG_DIR@ID`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vg_keras.log.event_file import StoredRecord
from vg_keras.log.format import parse_record
from vg_keras.log.numbers import parse_numbers
from vg_keras.log.reader import Follower, logs_in
from vg_keras.log.storage import is_remote
from vg_keras.number_table import NumberTable, Place
from vg_keras.record import Record, Training

OnProgress = Callable[[str, float], None]
"""Called with the path of a log and the fraction of it that was read."""

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


def read_all(paths: Iterable[str], on_progress: OnProgress | None = None) -> list[LoggedRun]:
    """Reads all training runs of some logs, in the order of the paths.

    Args:
        paths: Each a log as in `read_run`, a local directory that contains logs, or `LOG_DIR@ID`
            for one training run.
        on_progress: Called while a log is read.

    Raises:
        FileNotFoundError: If there is no log at a path.
        FormatVersionError: If a newer version of vg_keras wrote a log.
        ValueError: If a log holds no such training run.
    """
    found: dict[tuple[str, str], LoggedRun] = {}
    for path in paths:
        directory, training_id = _split(path)
        logs = [directory] if training_id else logs_in(directory)
        for log in logs:
            for run in _read(log, training_id, on_progress):
                found.setdefault((os.path.normpath(log), run.training.id), run)
    return _with_names(list(found.values()))


def read_latest(paths: Iterable[str], on_progress: OnProgress | None = None) -> list[LoggedRun]:
    """Reads one training run of each log: the latest one, unless another is named.

    Args:
        paths: Each a log as in `read_run`, or `LOG_DIR@ID`.
        on_progress: Called while a log is read.

    Raises:
        FileNotFoundError: If there is no log at a path.
        FormatVersionError: If a newer version of vg_keras wrote a log.
        ValueError: If a log holds no such training run.
    """
    found = []
    for path in paths:
        log, training_id = _split(path)
        follower = Follower(log)
        follower.check_exists()
        begun = follower.begun()
        chosen = training_id or (begun[-1].id if begun else None)
        found += _read(log, chosen, on_progress)
    return _with_names(found)


def _split(path: str) -> tuple[str, str | None]:
    """Splits `LOG_DIR@ID`; a path that exists is a log."""
    log, separator, training_id = path.rpartition(_SEPARATOR)
    if not separator or is_remote(path) or Path(path).exists():
        return path, None
    return log, training_id


def _read(log: str, training_id: str | None, on_progress: OnProgress | None) -> list[LoggedRun]:
    follower = Follower(log)
    follower.check_exists()
    begun = [training.id for training in follower.begun()]
    if training_id is not None and training_id not in begun:
        raise ValueError(
            f"There is no training run {training_id} in {log}. There "
            f"{'is' if len(begun) == 1 else 'are'}: {', '.join(begun) or 'none'}."
        )
    runs: dict[str, LoggedRun] = {}
    for stored in follower.poll_stored(training_id):
        training = stored.training
        if training.id not in runs:
            runs[training.id] = LoggedRun(log, training, (), NumberTable(training.model))
        runs[training.id].add(stored)
        if on_progress is not None:
            on_progress(log, follower.fraction_read)
    for training in follower.trainings:
        if training_id in (None, training.id):
            run = runs.setdefault(
                training.id, LoggedRun(log, training, (), NumberTable(training.model))
            )
            run.training, run.damage = training, follower.damage  # its end, and its verdict
    if not runs:
        damage = " ".join(follower.damage)
        raise ValueError(f"There is no training run of GradientMonitor in {log}. {damage}".rstrip())
    return sorted(runs.values(), key=lambda run: run.training.began)


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

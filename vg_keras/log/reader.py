"""Reads event files back into records, bit for bit as they were measured.

Logs may be complete, still being written, truncated or damaged: everything intact is returned, and
damage is reported. `follow` continues where it stopped, and `read_run` reads everything once.
Requires neither TensorFlow nor Keras. Remote paths are read by TensorFlow if installed, otherwise
by fsspec.

    training = read_run("logs").latest
    training.records[-1].gradients["sequential/dense/kernel"].norm
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from vg_keras.log import format as log_format
from vg_keras.log.event_file import EventFile, StoredRecord
from vg_keras.log.storage import Storage, is_remote, storage_of
from vg_keras.record import Record, Run, Training
from vg_keras.schedule import NEVER

OnProgress = Callable[[str, float], None]
"""Called with the path of a log and the fraction of it that was read."""

OnSkipped = Callable[[str], None]
"""Called with a sentence on a log that is skipped."""

Log = TypeVar("Log")
Found = TypeVar("Found")


def read_run(path: str | Path, *, first: int = 0, stop: int | None = None, stride: int = 1) -> Run:
    """Reads the training runs of a log, by default with all of their records.

    Args:
        path: The `log_dir` of a monitor, one of its subdirectories (`gradients`, or that of a
            probe), or an event file. A remote path, such as "gs://bucket/logs", is a string.
        first: The first step to read.
        stop: The step to stop before, or None for no end.
        stride: Reads the first record of each training run and every `stride`-th after it.

    Raises:
        FileNotFoundError: If there is no event file at `path`.
        FormatVersionError: If a newer version of vg_keras wrote the log.
        ValueError: If `stride` is not positive.
    """
    wanted = _Selection(first, stop, stride)
    follower = Follower(path)
    follower.check_exists()
    trainings = _read_all(follower, wanted)
    place = str(path) if is_remote(str(path)) else Path(path)
    return Run(place, trainings, follower.damage)


def _read_all(follower: Follower, wanted: _Selection) -> tuple[Training, ...]:
    """Returns the training runs of a log with the selected records."""
    records: dict[str, list[Record]] = {}
    for training, record in follower.poll(wanted):
        records.setdefault(training.id, []).append(record)
    return tuple(
        dataclasses.replace(training, records=tuple(records.get(training.id, ())))
        for training in follower.trainings
    )


def iter_records(
    path: str | Path,
    training_id: str | None = None,
    *,
    first: int = 0,
    stop: int | None = None,
    stride: int = 1,
) -> Iterator[Record]:
    """Yields the records of one training run one by one, for logs that exceed the memory.

    Damaged records are skipped; `read_run` reports them.

    Args:
        path: As in `read_run`.
        training_id: The `Training.id` of the training run; the latest one by default.
        first: The first step to read.
        stop: The step to stop before, or None for no end.
        stride: Reads the first record and every `stride`-th after it.

    Raises:
        FileNotFoundError: If there is no event file at `path`.
        FormatVersionError: If a newer version of vg_keras wrote the log.
        ValueError: If `stride` is not positive, or there is no training run with that id.
    """
    wanted = _Selection(first, stop, stride)
    follower = Follower(path)
    follower.check_exists()
    begun = follower.begun()
    if training_id is None:
        training_id = begun[-1].id if begun else ""
    elif training_id not in {training.id for training in begun}:
        raise ValueError(
            "`training_id` must be the id of a training run in the log: "
            f"{', '.join(training.id for training in begun)}. "
            f"Received: training_id={training_id!r}."
        )
    found = follower.poll(wanted, training_id)
    return (record for _, record in found)


def stored_at(
    follower: Follower, step: int | None = None, on_progress: OnProgress | None = None
) -> list[StoredRecord]:
    """Returns one record of each training run of a log, which is not parsed yet.

    Scanning a log for it is much faster than reading all records.

    Args:
        follower: The follower of the log, which has not been read.
        step: Its step: the last recorded one that is not later. None for the last one of all.
        on_progress: Called while the log is read.

    Raises:
        FileNotFoundError: If there is no event file in the log.
        FormatVersionError: If a newer version of vg_keras wrote the log.
    """
    follower.check_exists()
    found: dict[str, StoredRecord] = {}
    for stored in follower.poll_stored():
        if step is None or stored.step <= step:
            found[stored.training.id] = stored
        if on_progress is not None:
            on_progress(follower.name, follower.fraction_read)
    # What ends a training run, as its verdict, may follow the record.
    return [
        dataclasses.replace(found[training.id], training=training)
        for training in follower.trainings
        if training.id in found
    ]


def follow(path: str | Path) -> Follower:
    """Returns a follower, which reads a log incrementally while it is being written.

    Args:
        path: As in `read_run`. There need not be an event file yet.

    Example:
        >>> follower = follow("logs")
        >>> for training, record in follower.poll():  # doctest: +SKIP
        ...     print(training.id, record.step)
    """
    return Follower(path)


class _Selection:
    """Selects records of each training run.

    Args:
        first: The first step.
        stop: The step to stop before, or None for no end.
        stride: Selects the first record and every `stride`-th after it.

    Raises:
        ValueError: If `stride` is not positive.
    """

    def __init__(self, first: int = 0, stop: int | None = None, stride: int = 1) -> None:
        if stride < 1:
            raise ValueError(f"`stride` must be positive. Received: stride={stride!r}.")
        self._steps = range(first, NEVER if stop is None else stop)
        self._stride = stride
        self._num_passed: Counter[str] = Counter()

    def takes(self, training_id: str, step: int) -> bool:
        """Whether to select the next record of a training run. Each call counts one record."""
        if step not in self._steps:
            return False
        self._num_passed[training_id] += 1
        return (self._num_passed[training_id] - 1) % self._stride == 0


class Follower:
    """Reads a log incrementally: each `poll` continues where the last one stopped.

    Created by `follow`.

    Args:
        paths: As in `read_run`; what is read from several is one log.
        are_runs: Whether the paths are the directories of runs: then nothing below them is read.
    """

    def __init__(self, *paths: str | Path, are_runs: bool = False) -> None:
        self._names = ("",) if are_runs else (log_format.RUN_NAME, "")
        self._places = {str(path): storage_of(str(path)) for path in paths}
        self._files: dict[str, EventFile] = {}

    @property
    def trainings(self) -> tuple[Training, ...]:
        """The training runs found so far, without records, in the order in which they began."""
        found: dict[str, Training] = {}
        for file in self._files.values():
            for training in file.trainings.values():
                earlier = found.get(training.id, training)  # a loop may be watched again and again
                found[training.id] = dataclasses.replace(
                    earlier,
                    cost=training.cost or earlier.cost,
                    verdict=training.verdict or earlier.verdict,
                )
        return tuple(sorted(found.values(), key=lambda training: training.began))

    @property
    def damage(self) -> tuple[str, ...]:
        """One sentence for each part that could not be read so far."""
        return tuple(sentence for file in self._files.values() for sentence in file.damage)

    @property
    def name(self) -> str:
        """The paths that it was created with, for messages."""
        return ", ".join(self._places)

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the event files found so far."""
        return tuple(self._files)

    @property
    def fraction_read(self) -> float:
        """Fraction of the bytes in the event files that were read; 1 if there are none."""
        sizes = [(file.num_bytes_read, file.size) for file in self._files.values()]
        total = sum(size for _, size in sizes)
        return sum(read for read, _ in sizes) / total if total else 1.0

    def check_exists(self) -> None:
        """Raises a FileNotFoundError if there is no event file."""
        self._find_files()
        if not self._files:
            below = [log for place in self._places for log in logs_below(place)]
            beside = [log for place in self._places for log in _logs_beside(place)]
            raise FileNotFoundError(
                f"Expected a log directory of GradientMonitor. Received: {self.name}. There is no "
                f"event file in it, nor in its subdirectory {log_format.RUN_NAME!r}."
                + (f" Directories below it that contain a log: {_some(below)}." if below else "")
                + (f" Logs in {beside[0]}: {_some(beside[1:])}." if beside else "")
            )

    def poll(
        self, wanted: _Selection | None = None, training_id: str | None = None
    ) -> Iterator[tuple[Training, Record]]:
        """Yields the records that were written since the last call.

        Args:
            wanted: Which records to yield; all by default.
            training_id: The id of the training run to read; all of them by default.

        Yields:
            The training run, without records, and the record. Records of one file are yielded in
            the order in which they were written.

        Raises:
            FormatVersionError: If a newer version of vg_keras wrote the log.
        """
        wanted = wanted or _Selection()
        for found in self.poll_stored(training_id):
            if wanted.takes(found.training.id, found.step):
                record = found.parsed(log_format.parse_record)
                if record is not None:
                    yield found.training, record

    def poll_stored(self, training_id: str | None = None) -> Iterator[StoredRecord]:
        """Yields the same records as `poll`, but does not parse them.

        Args:
            training_id: As in `poll`.
        """
        self._find_files()
        for file in list(self._files.values()):
            if training_id is not None and training_id not in file.begun():
                continue
            for found in file.read_on():
                if training_id in (None, found.training.id):
                    yield found

    def begun(self) -> list[Training]:
        """Returns the training runs described at the beginning of each file, without records."""
        self._find_files()
        found = {
            training.id: training
            for file in self._files.values()
            for training in file.begun().values()
        }
        return sorted(found.values(), key=lambda training: training.began)

    def _find_files(self) -> None:
        for place, storage in self._places.items():
            for path in _event_files(place, storage, self._names):
                if path not in self._files:
                    self._files[path] = EventFile(path, storage)


def _event_files(path: str, storage: Storage, names: Iterable[str]) -> list[str]:
    """Returns a file, or those in the first of some subdirectories that has any."""
    if storage.is_file(path):
        return [path]
    directories = (os.path.join(path, name) if name else path for name in names)
    return next(filter(None, map(storage.event_files, directories)), [])


def read_training(paths: Sequence[str]) -> Training | None:
    """Returns the training run in some event files, or None if there is none."""
    return next(iter(_read_all(Follower(*paths), _Selection())), None)


class NoTrainingRunError(ValueError):
    """A log holds no training run of GradientMonitor."""


def no_training_run(log: str, damage: Iterable[str] = ()) -> NoTrainingRunError:
    """Returns the error of a log without a training run.

    Args:
        log: Its path.
        damage: One sentence for each part of it that could not be read.
    """
    sentences = [f"There is no training run of GradientMonitor in {log}.", *damage]
    return NoTrainingRunError(" ".join(sentences))


def read_each(
    logs: Iterable[Log], read: Callable[[Log], Iterable[Found]], on_skipped: OnSkipped | None
) -> list[Found]:
    """Returns what is found in several logs.

    Args:
        logs: The logs.
        read: Reads one of them.
        on_skipped: Called for each log without a training run, if another one has any.

    Raises:
        NoTrainingRunError: If a log holds no training run, and no other one does, or there is no
            `on_skipped`.
    """
    found: list[Found] = []
    skipped: list[NoTrainingRunError] = []
    for log in logs:
        try:
            found += read(log)
        except NoTrainingRunError as error:
            skipped.append(error)
    if skipped and (on_skipped is None or not found):
        raise skipped[0]
    for reason in skipped:
        assert on_skipped is not None
        on_skipped(str(reason))
    return found


def check_has(log: str, training_id: str | None, ids: Sequence[str]) -> None:
    """Checks that a training run is among those of a log.

    Args:
        log: The path of the log.
        training_id: The id of the training run, or None if any will do.
        ids: The ids of those that there are.

    Raises:
        ValueError: If it is not.
    """
    if training_id not in (None, *ids):
        are = "is" if len(ids) == 1 else "are"
        raise ValueError(
            f"There is no training run {training_id!r} in {log}. There {are}: {', '.join(ids)}."
        )


def logs_in(path: str) -> list[str]:
    """Returns a path if it is a log, and all logs below it.

    Args:
        path: A log as in `read_run`, or a local directory that contains logs.

    Raises:
        FileNotFoundError: If there is none.
    """
    others = [log for log in logs_below(path) if Path(log) != Path(path)]
    try:
        Follower(path).check_exists()
    except FileNotFoundError:
        if not others:
            raise
        return others
    return [path, *others]


def logs_below(path: str) -> list[str]:
    """Returns the log directories below a local directory."""
    if is_remote(path):
        return []
    runs = Path(path).glob(f"**/{log_format.RUN_NAME}/*tfevents*")
    return sorted({str(file.parents[1]) for file in runs})


def _logs_beside(path: str) -> list[str]:
    """Returns the nearest directory above a missing local path, and the logs near below it."""
    if is_remote(path) or Path(path).exists():
        return []
    above = next(parent for parent in Path(path).parents if parent.exists())
    patterns = (f"{'*/' * depth}{log_format.RUN_NAME}/*tfevents*" for depth in range(1, 4))
    found = sorted({str(file.parents[1]) for one in patterns for file in above.glob(one)})
    return [str(above), *found] if found else []


def _some(paths: Sequence[str], most: int = 10) -> str:
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more

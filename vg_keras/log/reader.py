"""Reads event files back into records: the very numbers that were measured.

Reads a log whose training has ended, one that is still being written, one cut off and one damaged:
whatever is whole is returned, and what is not is reported. `follow` reads on from where it stopped,
and `read_run` is one reading of it. Needs neither TensorFlow nor Keras; a remote path is read by
TensorFlow where it is installed, and else by fsspec.

    training = read_run("logs").latest
    training.records[-1].gradients["sequential/dense/kernel"].norm
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2

from vg_keras.cost import Cost
from vg_keras.log import format as log_format
from vg_keras.log.storage import Storage, is_remote, storage_of
from vg_keras.log.tfrecord import LostRestError, TFRecord, tfrecords
from vg_keras.record import Record, Run, Training
from vg_keras.schedule import NEVER

_MAX_EVENTS_TO_TRAINING = 3
"""The event that describes the training run comes after the one with the version of event files and
the one that says that a run was resumed."""


def read_run(path: str | Path, *, first: int = 0, stop: int | None = None, stride: int = 1) -> Run:
    """Reads the training runs of a log, by default with all of their records.

    Args:
        path: The `log_dir` of a monitor, one of its subdirectories (`gradients`, or that of a
            probe), or an event file. A remote path, such as "gs://bucket/logs", is a string.
        first: The first step to read.
        stop: The step to stop before, or None for no end.
        stride: Of each training run, reads the first record and every `stride`-th after it.

    Raises:
        FileNotFoundError: If there is no event file at that place.
        FormatVersionError: If a newer version of vg_keras wrote the log.
        ValueError: If `stride` is not positive.
    """
    wanted = _Selection(first, stop, stride)
    follower = Follower(path)
    follower.check_exists()
    records: dict[str, list[Record]] = {}
    for training, record in follower.poll(wanted):
        records.setdefault(training.id, []).append(record)
    trainings = (
        dataclasses.replace(training, records=tuple(records.get(training.id, ())))
        for training in follower.trainings
    )
    place = str(path) if is_remote(str(path)) else Path(path)
    return Run(place, tuple(trainings), follower.damage)


def iter_records(
    path: str | Path,
    training_id: str | None = None,
    *,
    first: int = 0,
    stop: int | None = None,
    stride: int = 1,
) -> Iterator[Record]:
    """Yields the records of one training run one by one, so that a log may exceed the memory.

    Damaged records are left out; `read_run` reports them.

    Args:
        path: As of `read_run`.
        training_id: The `Training.id` of the training run, by default the latest.
        first: The first step to read.
        stop: The step to stop before, or None for no end.
        stride: Reads the first record and every `stride`-th after it.

    Raises:
        FileNotFoundError: If there is no event file at that place.
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


def follow(path: str | Path) -> Follower:
    """Returns what reads a log that is being written, each time on from where it stopped.

    Args:
        path: As of `read_run`. There need not be an event file yet.

    Example:
        >>> follower = follow("logs")
        >>> for training, record in follower.poll():  # doctest: +SKIP
        ...     print(training.id, record.step)
    """
    return Follower(path)


class _Selection:
    """Chooses among the records of each training run.

    Args:
        first: The first step.
        stop: The step to stop before, or None for no end.
        stride: Every so many records.

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
        """Whether the next record of a training run is wanted."""
        if step not in self._steps:
            return False
        self._num_passed[training_id] += 1
        return (self._num_passed[training_id] - 1) % self._stride == 0


class Follower:
    """Reads a log, each time on from where it stopped. Made by `follow`.

    Args:
        path: As of `read_run`.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._storage = storage_of(self._path)
        self._files: dict[str, _EventFile] = {}

    @property
    def trainings(self) -> tuple[Training, ...]:
        """The training runs read so far, without records, in the order in which they began."""
        found: dict[str, Training] = {}
        for file in self._files.values():
            for training in file.trainings.values():
                cost = training.cost or (found[training.id].cost if training.id in found else None)
                earlier = found.get(training.id, training)  # a loop may be watched again and again
                found[training.id] = dataclasses.replace(earlier, cost=cost)
        return tuple(sorted(found.values(), key=lambda training: training.began))

    @property
    def damage(self) -> tuple[str, ...]:
        """A sentence for each place that could not be read so far."""
        return tuple(sentence for file in self._files.values() for sentence in file.damage)

    def check_exists(self) -> None:
        """Raises a FileNotFoundError if there is no event file."""
        self._find_files()
        if not self._files:
            raise FileNotFoundError(
                f"Expected a log directory of GradientMonitor. Received: {self._path}, where there "
                f"is no event file, neither there nor in its subdirectory {log_format.RUN_NAME!r}."
            )

    def poll(
        self, wanted: _Selection | None = None, training_id: str | None = None
    ) -> Iterator[tuple[Training, Record]]:
        """Yields the records that were written since the last call.

        Args:
            wanted: Which records, by default all.
            training_id: Of which training run, by default of all.

        Yields:
            The training run, without records, and the record. Those of one file come in the order
            in which they were written.

        Raises:
            FormatVersionError: If a newer version of vg_keras wrote the log.
        """
        wanted = wanted or _Selection()
        self._find_files()
        for file in list(self._files.values()):
            if training_id is not None and training_id not in file.begun():
                continue
            for training, step, parse in file.read_on():
                is_of_it = training_id in (None, training.id)
                if is_of_it and wanted.takes(training.id, step):
                    record = parse()
                    if record is not None:
                        yield training, record

    def begun(self) -> list[Training]:
        """Returns the training runs that the beginnings of all files describe, without records."""
        self._find_files()
        found = {
            training.id: training
            for file in self._files.values()
            for training in file.begun().values()
        }
        return sorted(found.values(), key=lambda training: training.began)

    def _find_files(self) -> None:
        for path in _event_files(self._path, self._storage):
            if path not in self._files:
                self._files[path] = _EventFile(path, self._storage)


def _event_files(path: str, storage: Storage) -> list[str]:
    if storage.is_file(path):
        return [path]
    directories = (os.path.join(path, log_format.RUN_NAME), path)
    return next(filter(None, map(storage.event_files, directories)), [])


def read_training(paths: Sequence[str]) -> Training | None:
    """Returns the training run that some event files hold, or None if they hold none."""
    runs = [read_run(path) for path in paths]
    found = [training for run in runs for training in run.trainings]
    if not found:
        return None
    records = tuple(record for training in found for record in training.records)
    return dataclasses.replace(found[0], records=records, cost=found[-1].cost)


@dataclass(frozen=True)
class _Place:
    """An event in a file.

    Args:
        number: Its number in the file.
        tfrecord: Its frame.
    """

    number: int
    tfrecord: TFRecord


Parse = Callable[[], Record | None]
"""Returns a record, or None if it is damaged."""


class _EventFile:
    """An event file, which is read once from its beginning to its end, one event at a time."""

    def __init__(self, path: str, storage: Storage) -> None:
        self._path = path
        self._storage = storage
        self._name = Path(path).name
        self._num_events = 0
        self._end = 0
        self._is_lost = False
        self._training: Training | None = None
        self._resumed_from: int | None = None
        self.trainings: dict[str, Training] = {}
        """The training runs of the file by id. A file of format version 3 has one."""
        self.damage: list[str] = []

    def begun(self) -> dict[str, Training]:
        """Returns the training runs that the first events describe, whatever was read before."""
        if not self.trainings:
            beginning = _EventFile(self._path, self._storage)
            for _ in itertools.islice(beginning._events(), _MAX_EVENTS_TO_TRAINING):
                pass
            return beginning.trainings
        return self.trainings

    def read_on(self) -> Iterator[tuple[Training, int, Parse]]:
        """Yields the training run and the step of each further record, and what parses it."""
        for found in self._events():
            if found is not None:
                yield found

    def _events(self) -> Iterator[tuple[Training, int, Parse] | None]:
        """Reads on, event by event, and yields something for each record."""
        if self._is_lost or not self._storage.is_file(self._path):
            return
        with self._storage.open(self._path, "rb") as file:
            try:
                for tfrecord in tfrecords(file, self._end):
                    place = _Place(self._num_events, tfrecord)
                    self._num_events, self._end = place.number + 1, tfrecord.end
                    yield self._found(place)
            except LostRestError as error:
                self._is_lost = True
                self.damage.append(f"{self._name}: {error}")

    def _found(self, place: _Place) -> tuple[Training, int, Parse] | None:
        try:
            event = event_pb2.Event.FromString(place.tfrecord.data)
            payloads = {v.tag: b"".join(v.tensor.string_val) for v in event.summary.value}
            if log_format.RECORD_TAG in payloads:
                return self._record(place, event.step, payloads[log_format.RECORD_TAG])
            self._take(place, event, payloads)
        except (DecodeError, log_format.CorruptPayloadError) as error:
            self._report(place, error)
        return None

    def _record(self, place: _Place, step: int, payload: bytes) -> tuple[Training, int, Parse]:
        if self._training is None:
            raise log_format.CorruptPayloadError("No training run is described before it.")
        parse = functools.partial(self._parse, place, self._training, payload)
        if place.tfrecord.is_whole:
            return self._training, step, parse
        # The payload has a checksum of its own: it may be whole where a chart is damaged.
        record = log_format.parse_record(payload, self._training.model)
        self.damage.append(f"{self._name}: event {place.number} is damaged, but not its record.")
        return self._training, record.step, lambda: record

    def _parse(self, place: _Place, training: Training, payload: bytes) -> Record | None:
        try:
            return log_format.parse_record(payload, training.model)
        except log_format.CorruptPayloadError as error:
            self._report(place, error)
            return None

    def _report(self, place: _Place, error: Exception) -> None:
        self.damage.append(f"{self._name}: event {place.number} is damaged and left out. {error}")

    def _take(self, place: _Place, event: event_pb2.Event, payloads: Mapping[str, bytes]) -> None:
        """Takes an event that is not a record."""
        if not place.tfrecord.is_whole:
            raise log_format.CorruptPayloadError("Its checksum does not match.")
        if log_format.TRAINING_TAG in payloads:
            self._begin(log_format.parse_training(payloads[log_format.TRAINING_TAG]))
        elif log_format.MODEL_TAG in payloads:
            self._begin(self._training_of_version_2(event, payloads[log_format.MODEL_TAG]))
        elif log_format.COST_TAG in payloads:
            self._end_with(log_format.parse_cost(payloads[log_format.COST_TAG]))
        elif event.HasField("session_log"):
            self._resumed_from = event.step
        elif place.number > 0:  # the first one identifies the file as an event file
            raise log_format.CorruptPayloadError("It holds neither a training run nor a record.")

    def _training_of_version_2(self, event: event_pb2.Event, payload: bytes) -> Training:
        """Returns a training run for each description of a model in a file."""
        number = f"#{len(self.trainings) + 1}" if self.trainings else ""
        training = log_format.parse_model(payload, f"{self._name}{number}", event.wall_time)
        return dataclasses.replace(training, resumed_from=self._resumed_from)

    def _begin(self, training: Training) -> None:
        self._training = self.trainings[training.id] = training

    def _end_with(self, cost: Cost) -> None:
        if self._training is not None:
            self._begin(dataclasses.replace(self._training, cost=cost))

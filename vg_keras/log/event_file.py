"""Reads one event file of a log, one event at a time, and continues where it stopped.

Records are found first and parsed later, whole or in part, and can be read again from their place
in the file. `reader.py` joins the event files of a log.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2

from vg_keras.log import format as log_format
from vg_keras.log.storage import Storage
from vg_keras.log.tfrecord import LostRestError, TFRecord, tfrecords
from vg_keras.record import ModelDescription, Record, Training

_MAX_EVENTS_TO_TRAINING = 3
"""The event that describes the training run may come third, after the file version and the event of
a resumed run."""

Parsed = TypeVar("Parsed")
Parse = Callable[[bytes, ModelDescription], Parsed]
"""A function that parses the payload of a record, or a part of it."""


@dataclass(frozen=True)
class StoredRecord:
    """A record that was found in an event file.

    Args:
        training: The training run, without records.
        step: The step of the record.
        path: The path of the event file.
        start: Where the event begins in the file, in bytes.
        payload: The encoded record.
        report: Called with the error if the record turns out to be damaged.
    """

    training: Training
    step: int
    path: str
    start: int
    payload: bytes
    report: Callable[[Exception], None]

    def parsed(self, parse: Parse[Parsed]) -> Parsed | None:
        """Returns the parsed record, or None if it is damaged.

        Args:
            parse: `format.parse_record` or `numbers.parse_numbers`.
        """
        try:
            return parse(self.payload, self.training.model)
        except log_format.CorruptPayloadError as error:
            self.report(error)
            return None


def record_at(storage: Storage, path: str, start: int, model: ModelDescription) -> Record | None:
    """Returns the record of an event whose place is known, or None if it is gone.

    Args:
        storage: The file system of the event file.
        path: The path of the event file.
        start: Where the event begins in the file, in bytes.
        model: The model that the record describes.
    """
    with storage.open(path, "rb") as file:
        for tfrecord in itertools.islice(tfrecords(file, start), 1):
            payloads = _payloads(event_pb2.Event.FromString(tfrecord.data))
            if log_format.RECORD_TAG in payloads:
                return log_format.parse_record(payloads[log_format.RECORD_TAG], model)
    return None


def _payloads(event: event_pb2.Event) -> dict[str, bytes]:
    return {value.tag: b"".join(value.tensor.string_val) for value in event.summary.value}


@dataclass(frozen=True)
class _Place:
    """An event in a file.

    Args:
        number: Its index in the file.
        start: Where it begins, in bytes.
        tfrecord: Its TFRecord.
    """

    number: int
    start: int
    tfrecord: TFRecord


class EventFile:
    """An event file that is read once from beginning to end, one event at a time."""

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
        """The training runs in the file, by id. A file of format version 3 has one."""
        self.damage: list[str] = []

    @property
    def num_bytes_read(self) -> int:
        """Number of bytes that were read."""
        return self._end

    @property
    def size(self) -> int:
        """The size of the file in bytes; what was read of it if it is gone."""
        return max(self._end, self._storage.size(self._path))

    def begun(self) -> dict[str, Training]:
        """Returns the training runs that the first events describe, without advancing."""
        if not self.trainings:
            beginning = EventFile(self._path, self._storage)
            for _ in itertools.islice(beginning._events(), _MAX_EVENTS_TO_TRAINING):
                pass
            return beginning.trainings
        return self.trainings

    def read_on(self) -> Iterator[StoredRecord]:
        """Yields each further record."""
        for found in self._events():
            if found is not None:
                yield found

    def _events(self) -> Iterator[StoredRecord | None]:
        """Reads further events, and yields a result for each record and None for other events."""
        if self._is_lost or not self._storage.is_file(self._path):
            return
        with self._storage.open(self._path, "rb") as file:
            try:
                for tfrecord in tfrecords(file, self._end):
                    place = _Place(self._num_events, self._end, tfrecord)
                    self._num_events, self._end = place.number + 1, tfrecord.end
                    yield self._found(place)
            except LostRestError as error:
                self._is_lost = True
                self.damage.append(f"{self._name}: {error}")

    def _found(self, place: _Place) -> StoredRecord | None:
        try:
            event = event_pb2.Event.FromString(place.tfrecord.data)
            payloads = _payloads(event)
            if log_format.RECORD_TAG in payloads:
                return self._record(place, event.step, payloads[log_format.RECORD_TAG])
            self._take(place, event, payloads)
        except (DecodeError, log_format.CorruptPayloadError) as error:
            self._report(place, error)
        return None

    def _record(self, place: _Place, step: int, payload: bytes) -> StoredRecord:
        training = self._training
        if training is None:
            raise log_format.CorruptPayloadError("No description of a training run precedes it.")
        if not place.tfrecord.is_whole:
            # The payload has its own checksum: it may be intact even if a chart is damaged.
            step = log_format.parse_record(payload, training.model).step
            self.damage.append(
                f"{self._name}: event {place.number} is damaged; its record is intact."
            )
        report = functools.partial(self._report, place)
        return StoredRecord(training, step, self._path, place.start, payload, report)

    def _report(self, place: _Place, error: Exception) -> None:
        self.damage.append(f"{self._name}: event {place.number} is damaged and skipped. {error}")

    def _take(self, place: _Place, event: event_pb2.Event, payloads: Mapping[str, bytes]) -> None:
        """Processes an event that is not a record. The last one may hold only charts."""
        if not place.tfrecord.is_whole:
            raise log_format.CorruptPayloadError("Its checksum does not match.")
        if log_format.TRAINING_TAG in payloads:
            self._begin(log_format.parse_training(payloads[log_format.TRAINING_TAG]))
        elif log_format.MODEL_TAG in payloads:
            self._begin(self._training_of_version_2(event, payloads[log_format.MODEL_TAG]))
        elif log_format.COST_TAG in payloads:
            self._end_with(cost=log_format.parse_cost(payloads[log_format.COST_TAG]))
        elif log_format.VERDICT_TAG in payloads:
            self._end_with(verdict=log_format.parse_verdict(payloads[log_format.VERDICT_TAG]))
        elif event.HasField("session_log"):
            self._resumed_from = event.step
        elif not payloads and place.number > 0:  # event 0 identifies the file as an event file
            raise log_format.CorruptPayloadError("It contains nothing.")

    def _training_of_version_2(self, event: event_pb2.Event, payload: bytes) -> Training:
        """Returns a new training run for a model description of format version 1 or 2."""
        number = f"#{len(self.trainings) + 1}" if self.trainings else ""
        training = log_format.parse_model(payload, f"{self._name}{number}", event.wall_time)
        return dataclasses.replace(training, resumed_from=self._resumed_from)

    def _begin(self, training: Training) -> None:
        self._training = self.trainings[training.id] = training

    def _end_with(self, **known: Any) -> None:
        """Sets fields of the training run that are known only at its end."""
        if self._training is not None:
            self._begin(dataclasses.replace(self._training, **known))

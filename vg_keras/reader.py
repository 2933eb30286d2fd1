"""Reads event files back into records: the very numbers that were measured.

Takes a log whose training has ended, one that is still being written, one cut off and one damaged:
whatever is whole is returned, and what is not is told. Needs neither TensorFlow nor Keras; a remote
path is read by TensorFlow where it is installed, and else by fsspec.

    run = read_run("logs")
    run.records[-1].gradients["sequential/dense/kernel"].norm
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2

from vg_keras import metadata
from vg_keras.cost import Cost
from vg_keras.frames import to_pandas
from vg_keras.record import ModelDescription, Record
from vg_keras.schedule import NEVER

if TYPE_CHECKING:
    import pandas as pd

_HEADER_BYTES = 12
_FOOTER_BYTES = 4

_EVENTS_AT_THE_START = 3
"""Among which stands the one that says that a training was resumed."""


@dataclass(frozen=True)
class Run:
    """What stands in a run directory.

    Args:
        path: The directory or the one file that was read; a string where it is remote.
        model: The model, as the last file describes it, or None where no file got that far.
        records: All records, in the order in which they were written. Where a training was aborted
            and resumed from a backup, the steps after the backup are those of the resumed one.
        damage: A sentence for each place that could not be read. The unfinished last event of a
            file that is still being written is none.
        cost: What recording has cost, as the last training says that has come to its end, or None.
    """

    path: Path | str
    model: ModelDescription | None
    records: tuple[Record, ...]
    damage: tuple[str, ...]
    cost: Cost | None = None

    def to_pandas(self) -> pd.DataFrame:
        """Returns the records as a table; see `vg_keras.frames.to_pandas`."""
        return to_pandas(self.records)


def read_run(path: str | Path, *, first: int = 0, stop: int | None = None, stride: int = 1) -> Run:
    """Reads the records of a run, by default all of them.

    Args:
        path: The `log_dir` of a monitor, one of its subdirectories, which are `gradients` and that
            of a probe, or an event file. A remote path, such as "gs://bucket/logs", is a string.
        first: The first step whose record is read.
        stop: The first step after those that are read, or None for no end.
        stride: How many records lie from one that is read to the next.

    Raises:
        FileNotFoundError: There is no event file at that place.
        FormatVersionError: A newer version of vg_keras wrote the log.
        ValueError: The stride is not positive.
    """
    log = _Log(path)
    records = tuple(log.records(first, stop, stride))
    models = [file.model for file in log.files if file.model is not None]
    costs = [file.cost for file in log.files if file.cost is not None]
    damage = tuple(sentence for file in log.files for sentence in file.damage)
    place = str(path) if log.is_remote else Path(path)
    return Run(place, models[-1] if models else None, records, damage, costs[-1] if costs else None)


def iter_records(
    path: str | Path, *, first: int = 0, stop: int | None = None, stride: int = 1
) -> Iterator[Record]:
    """Yields the records of a run one by one, so that a log may be larger than the memory.

    What is damaged is left out; `read_run` says what that is.

    Args:
        path: As of `read_run`.
        first: The first step whose record is read.
        stop: The first step after those that are read, or None for no end.
        stride: How many records lie from one that is read to the next.

    Raises:
        FileNotFoundError: There is no event file at that place.
        FormatVersionError: A newer version of vg_keras wrote the log.
        ValueError: The stride is not positive.
    """
    return _Log(path).records(first, stop, stride)


class _Log:
    """The event files of a run."""

    def __init__(self, path: str | Path) -> None:
        self.is_remote = "://" in str(path)
        storage = _Remote() if self.is_remote else _Local()
        self.files = [_File(file, storage) for file in _event_files(str(path), storage)]

    def records(self, first: int, stop: int | None, stride: int) -> Iterator[Record]:
        """Yields records, and leaves in the files what else stands in them."""
        if stride < 1:
            raise ValueError(f"`stride` must be positive. Received: stride={stride!r}.")
        return self._records(range(first, NEVER if stop is None else stop), stride)

    def _records(self, steps: range, stride: int) -> Iterator[Record]:
        for parse in itertools.islice(self._found(steps), 0, None, stride):
            record = parse()
            if record is not None:
                yield record

    def _found(self, steps: range) -> Iterator[Callable[[], Record | None]]:
        """Yields what parses each record of these steps, but for those that are void."""
        for file, end in zip(self.files, self._ends(), strict=True):
            for step, parse in file.records():
                if step < end and step in steps:
                    yield parse

    def _ends(self) -> list[int]:
        """Returns for each file the step from which on its records are void.

        A training that was resumed from a backup repeats them, in a later file. A file that is
        written to at the same time is another training's.
        """
        resumed_at = [file.resumed_at() for file in self.files[1:]]
        ends = []
        for number, file in enumerate(self.files):
            later = [found for found in resumed_at[number:] if found is not None]
            last = file.last_wall_time() if later else 0.0
            ends.append(min((step for step, time in later if last < time), default=NEVER))
        return ends


class _Local:
    """Files on a local disk."""

    def is_file(self, path: str) -> bool:
        """Whether there is such a file."""
        return Path(path).is_file()

    def event_files(self, directory: str) -> list[str]:
        """Returns the paths of the event files in a directory, in order; none if it is missing."""
        return sorted(str(p) for p in Path(directory).glob("*tfevents*") if p.is_file())

    def open(self, path: str) -> Any:
        """Opens a file."""
        return Path(path).open("rb")


class _Remote:
    """Files on whatever TensorFlow can read, or fsspec where that is not installed."""

    def __init__(self) -> None:
        from tensorboard.compat import tf  # takes seconds where it is TensorFlow

        self._gfile = tf.io.gfile

    def is_file(self, path: str) -> bool:
        """Whether there is such a file."""
        return self._gfile.exists(path) and not self._gfile.isdir(path)

    def event_files(self, directory: str) -> list[str]:
        """Returns the paths of the event files in a directory, in order; none if it is missing."""
        return sorted(self._gfile.glob(os.path.join(directory, "*tfevents*")))

    def open(self, path: str) -> Any:
        """Opens a file."""
        return self._gfile.GFile(path, "rb")


def _event_files(path: str, storage: _Local | _Remote) -> list[str]:
    if storage.is_file(path):
        return [path]
    for directory in (os.path.join(path, metadata.RUN_NAME), path):
        files = storage.event_files(directory)
        if files:
            return files
    raise FileNotFoundError(
        f"Expected a log directory of GradientMonitor. Received: {path}, where there is no event "
        f"file, neither there nor in its subdirectory {metadata.RUN_NAME!r}."
    )


class _File:
    """An event file, which is read from its beginning to its end, one event at a time."""

    def __init__(self, path: str, storage: _Local | _Remote) -> None:
        self._path = path
        self._storage = storage
        self._name = Path(path).name
        self.model: ModelDescription | None = None
        self.cost: Cost | None = None
        self.damage: list[str] = []

    def records(self) -> Iterator[tuple[int, Callable[[], Record | None]]]:
        """Yields the step of each record, and what parses it, or returns None if it is damaged."""
        self.damage.clear()
        with self._storage.open(self._path) as file:
            for number, event in enumerate(_events(file, self._name, self.damage)):
                try:
                    parsed = event_pb2.Event.FromString(event.data)
                    payloads = _payloads(parsed)
                    if metadata.RECORD_TAG in payloads:
                        payload = payloads[metadata.RECORD_TAG]
                        parse = functools.partial(self._parse, number, event, payload)
                        if event.is_whole:
                            yield parsed.step, parse
                        elif (record := parse()) is not None:
                            yield record.step, functools.partial(_given, record)
                    else:
                        self._take(event, parsed, payloads, is_first=number == 0)
                except (DecodeError, metadata.CorruptPayloadError) as error:
                    self._note(number, error)

    def _parse(self, number: int, event: _TFRecord, payload: bytes) -> Record | None:
        try:
            if self.model is None:
                raise metadata.CorruptPayloadError("The model is not described before it.")
            # The payload has a checksum of its own: it may be whole where a chart is damaged.
            record = metadata.parse_record(payload, self.model)
        except metadata.CorruptPayloadError as error:
            self._note(number, error)
            return None
        if not event.is_whole:
            self.damage.append(f"{self._name}: event {number} is damaged, but not its record.")
        return record

    def _note(self, number: int, error: Exception) -> None:
        self.damage.append(f"{self._name}: event {number} is damaged and left out. {error}")

    def _take(
        self,
        event: _TFRecord,
        parsed: event_pb2.Event,
        payloads: Mapping[str, bytes],
        is_first: bool,
    ) -> None:
        """Takes what is not a record."""
        if not event.is_whole:
            raise metadata.CorruptPayloadError("Its checksum does not match.")
        if metadata.MODEL_TAG in payloads:
            self.model = metadata.parse_model(payloads[metadata.MODEL_TAG])
        elif metadata.COST_TAG in payloads:
            self.cost = metadata.parse_cost(payloads[metadata.COST_TAG])
        elif not parsed.HasField("session_log") and not is_first:
            # The first says that this is an event file.
            raise metadata.CorruptPayloadError("It holds neither a model nor a record.")

    def resumed_at(self) -> tuple[int, float] | None:
        """Returns the step at which a resumed training went on, and when, or None."""
        with self._storage.open(self._path) as file:
            for event in itertools.islice(_events(file, self._name, []), _EVENTS_AT_THE_START):
                with contextlib.suppress(DecodeError):
                    parsed = event_pb2.Event.FromString(event.data)
                    if event.is_whole and parsed.HasField("session_log"):
                        return parsed.step, parsed.wall_time
        return None

    def last_wall_time(self) -> float:
        """Returns when the last event that is whole was written."""
        last = 0.0
        with self._storage.open(self._path) as file:
            for event in _events(file, self._name, []):
                with contextlib.suppress(DecodeError):
                    parsed = event_pb2.Event.FromString(event.data)
                    last = parsed.wall_time if parsed.summary.value else last
        return last


def _given(record: Record) -> Record:
    return record


def _payloads(event: event_pb2.Event) -> dict[str, bytes]:
    return {value.tag: b"".join(value.tensor.string_val) for value in event.summary.value}


@dataclass(frozen=True)
class _TFRecord:
    data: bytes
    is_whole: bool
    """Whether the checksum is that of the data."""


def _events(file: Any, name: str, damage: list[str]) -> Iterator[_TFRecord]:
    """Yields each TFRecord that is all there.

    A TFRecord is the length of the data, the checksum of that, the data, and their checksum.
    """
    start = 0
    while len(header := file.read(_HEADER_BYTES)) == _HEADER_BYTES:
        length, checksum = struct.unpack("<QI", header)
        if checksum != _masked_crc32c(header[:8]):
            lost = _HEADER_BYTES + len(file.read())
            damage.append(f"{name}: the last {lost} bytes, from {start} on, are damaged.")
            return
        data = file.read(length + _FOOTER_BYTES)
        if len(data) < length + _FOOTER_BYTES:
            return
        data, footer = data[:length], data[length:]
        yield _TFRecord(data, struct.unpack("<I", footer)[0] == _masked_crc32c(data))
        start += _HEADER_BYTES + length + _FOOTER_BYTES


def _masked_crc32c(data: bytes) -> int:
    """Returns the masked CRC-32C that TFRecord stores."""
    checksum = google_crc32c.value(data)
    return (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF

"""Reads event files back into records: the very numbers that were measured.

Takes a log whose training has ended, one that is still being written, one cut off and one damaged:
whatever is whole is returned, and what is not is told. Needs neither TensorFlow nor Keras; a remote
path is read by TensorFlow where it is installed, and else by fsspec.

    run = read_run("logs")
    run.records[-1].gradients["sequential/dense/kernel"].norm
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import google_crc32c
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2

from vg_keras import metadata
from vg_keras.record import ModelDescription, Record

_HEADER_BYTES = 12
_FOOTER_BYTES = 4


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
    """

    path: Path | str
    model: ModelDescription | None
    records: tuple[Record, ...]
    damage: tuple[str, ...]


def read_run(path: str | Path) -> Run:
    """Reads all records of a run.

    Args:
        path: The `log_dir` of a monitor, one of its subdirectories, which are `gradients` and that
            of a probe, or an event file. A remote path, such as "gs://bucket/logs", is a string.

    Raises:
        FileNotFoundError: There is no event file at that place.
        FormatVersionError: A newer version of vg_keras wrote the log.
    """
    storage = _Remote() if "://" in str(path) else _Local()
    files = [_read_file(file, storage) for file in _event_files(str(path), storage)]
    models = [file.model for file in files if file.model is not None]
    records = [
        record
        for number, file in enumerate(files)
        for record in file.records
        if not any(later.voids(record, file) for later in files[number + 1 :])
    ]
    damage = [sentence for file in files for sentence in file.damage]
    place = str(path) if isinstance(storage, _Remote) else Path(path)
    return Run(place, models[-1] if models else None, tuple(records), tuple(damage))


class _Local:
    """Files on a local disk."""

    def is_file(self, path: str) -> bool:
        """Whether there is such a file."""
        return Path(path).is_file()

    def event_files(self, directory: str) -> list[str]:
        """Returns the paths of the event files in a directory, in order; none if it is missing."""
        return sorted(str(p) for p in Path(directory).glob("*tfevents*") if p.is_file())

    def read(self, path: str) -> bytes:
        """Returns the contents of a file."""
        return Path(path).read_bytes()


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

    def read(self, path: str) -> bytes:
        """Returns the contents of a file."""
        with self._gfile.GFile(path, "rb") as file:
            return file.read()


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


@dataclass
class _File:
    """What stands in an event file."""

    model: ModelDescription | None = None
    records: list[Record] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    resumed_at: tuple[int, float] | None = None
    """The step at which a resumed training went on, and when."""

    def voids(self, record: Record, file: _File) -> bool:
        """Tells whether this training repeats a step of an earlier one that had been aborted.

        A file that is written to at the same time is another training's.
        """
        if self.resumed_at is None:
            return False
        step, time = self.resumed_at
        return record.step >= step and file.records[-1].wall_time < time


def _read_file(path: str, storage: _Local | _Remote) -> _File:
    contents = _File()
    name = Path(path).name
    for number, event in enumerate(_events(storage.read(path), name, contents.damage)):
        try:
            _read_event(event, contents, is_first=number == 0)
            if not event.is_whole:
                contents.damage.append(f"{name}: event {number} is damaged, but not its record.")
        except (DecodeError, metadata.CorruptPayloadError) as error:
            contents.damage.append(f"{name}: event {number} is damaged and left out. {error}")
    return contents


def _read_event(event: _TFRecord, contents: _File, is_first: bool) -> None:
    parsed = event_pb2.Event.FromString(event.data)
    payloads = _payloads(parsed)
    if metadata.RECORD_TAG in payloads:
        if contents.model is None:
            raise metadata.CorruptPayloadError("The model is not described before it.")
        # The payload has a checksum of its own: it may be whole where a chart is damaged.
        record = metadata.parse_record(payloads[metadata.RECORD_TAG], contents.model)
        contents.records.append(record)
        return
    if not event.is_whole:
        raise metadata.CorruptPayloadError("Its checksum does not match.")
    if metadata.MODEL_TAG in payloads:
        contents.model = metadata.parse_model(payloads[metadata.MODEL_TAG])
    elif parsed.HasField("session_log"):
        contents.resumed_at = parsed.step, parsed.wall_time
    elif not is_first:  # the first says that this is an event file
        raise metadata.CorruptPayloadError("It holds neither a model nor a record.")


def _payloads(event: event_pb2.Event) -> dict[str, bytes]:
    return {value.tag: b"".join(value.tensor.string_val) for value in event.summary.value}


@dataclass(frozen=True)
class _TFRecord:
    data: bytes
    is_whole: bool
    """Whether the checksum is that of the data."""


def _events(contents: bytes, name: str, damage: list[str]) -> Iterator[_TFRecord]:
    """Yields each TFRecord that is all there.

    A TFRecord is the length of the data, the checksum of that, the data, and their checksum.
    """
    start = 0
    while start + _HEADER_BYTES <= len(contents):
        length, checksum = struct.unpack_from("<QI", contents, start)
        if checksum != _masked_crc32c(contents[start : start + 8]):
            lost = len(contents) - start
            damage.append(f"{name}: the last {lost} bytes, from {start} on, are damaged.")
            return
        end = start + _HEADER_BYTES + length
        if end + _FOOTER_BYTES > len(contents):
            return
        (checksum,) = struct.unpack_from("<I", contents, end)
        data = contents[start + _HEADER_BYTES : end]
        yield _TFRecord(data, checksum == _masked_crc32c(data))
        start = end + _FOOTER_BYTES


def _masked_crc32c(data: bytes) -> int:
    """Returns the masked CRC-32C that TFRecord stores."""
    checksum = google_crc32c.value(data)
    return (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF

"""Reads event files back into records: the very numbers that were measured.

Takes a log whose training has ended, one that is still being written, one cut off and one damaged:
whatever is whole is returned, and what is not is told. Needs neither TensorFlow nor Keras.

    run = read_run("logs")
    run.records[-1].gradients["dense/kernel"].norm
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from vg_keras import metadata
from vg_keras.record import ModelDescription, Record

_HEADER_BYTES = 12
_FOOTER_BYTES = 4


@dataclass(frozen=True)
class Run:
    """What stands in a run directory.

    Args:
        path: The run directory, or the one file that was read.
        model: The model, as the last file describes it, or None where no file got that far.
        records: All records, in the order in which they were written. Where a training was aborted
            and resumed from a backup, the steps after the backup are those of the resumed one.
        damage: A sentence for each place that could not be read. The unfinished last event of a
            file that is still being written is none.
    """

    path: Path
    model: ModelDescription | None
    records: tuple[Record, ...]
    damage: tuple[str, ...]


def read_run(path: str | Path) -> Run:
    """Reads all records of a run.

    Args:
        path: The `log_dir` of a monitor, one of its subdirectories, which are `gradients` and that
            of a probe, or an event file.

    Raises:
        FileNotFoundError: There is no event file at that place.
        FormatVersionError: A newer version of vg_keras wrote the log.
    """
    path = Path(path)
    files = [_read_file(file) for file in _event_files(path)]
    models = [file.model for file in files if file.model is not None]
    records = [
        record
        for number, file in enumerate(files)
        for record in file.records
        if not any(later.voids(record, file) for later in files[number + 1 :])
    ]
    damage = [sentence for file in files for sentence in file.damage]
    return Run(path, models[-1] if models else None, tuple(records), tuple(damage))


def _event_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    for directory in (path / metadata.RUN_NAME, path):
        files = sorted(path for path in directory.glob("*tfevents*") if path.is_file())
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


def _read_file(file: Path) -> _File:
    contents = _File()
    for number, event in enumerate(_events(file, contents.damage)):
        try:
            _read_event(event, contents, is_first=number == 0)
        except (DecodeError, metadata.CorruptPayloadError) as error:
            contents.damage.append(f"{file.name}: event {number} is damaged and left out. {error}")
    return contents


def _read_event(event: _TFRecord, contents: _File, is_first: bool) -> None:
    parsed = event_pb2.Event.FromString(event.data)
    payloads = _payloads(parsed)
    if metadata.MODEL_TAG in payloads:
        event.verify()
        contents.model = metadata.parse_model(payloads[metadata.MODEL_TAG])
    elif metadata.RECORD_TAG in payloads:
        if contents.model is None:
            raise metadata.CorruptPayloadError("The model is not described before it.")
        record = metadata.parse_record(payloads[metadata.RECORD_TAG], contents.model)
        contents.records.append(record)
    elif parsed.HasField("session_log"):
        event.verify()
        contents.resumed_at = parsed.step, parsed.wall_time
    elif not is_first:  # the first says that this is an event file
        raise metadata.CorruptPayloadError("It holds neither a model nor a record.")


def _payloads(event: event_pb2.Event) -> dict[str, bytes]:
    return {value.tag: b"".join(value.tensor.string_val) for value in event.summary.value}


@dataclass(frozen=True)
class _TFRecord:
    data: bytes
    checksum: int

    def verify(self) -> None:
        # Not for every event: TensorBoard's checksum without TensorFlow takes 20 ms for 100 kB, and
        # the payload of a record brings a checksum of its own, which is always verified.
        if masked_crc32c(self.data) != self.checksum:
            raise metadata.CorruptPayloadError("Its checksum does not match.")


def _events(file: Path, damage: list[str]) -> Iterator[_TFRecord]:
    """Yields each TFRecord that is all there: length, its checksum, data, checksum of the data."""
    contents = file.read_bytes()
    start = 0
    while start + _HEADER_BYTES <= len(contents):
        length, checksum = struct.unpack_from("<QI", contents, start)
        if checksum != masked_crc32c(contents[start : start + 8]):
            lost = len(contents) - start
            damage.append(f"{file.name}: the last {lost} bytes, from {start} on, are damaged.")
            return
        end = start + _HEADER_BYTES + length
        if end + _FOOTER_BYTES > len(contents):
            return
        (checksum,) = struct.unpack_from("<I", contents, end)
        yield _TFRecord(contents[start + _HEADER_BYTES : end], checksum)
        start = end + _FOOTER_BYTES

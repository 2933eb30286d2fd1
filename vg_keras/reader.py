"""Reads event files back into records: the very numbers that were measured.

Takes a log whose training has ended, one that is still being written, one cut off and one damaged:
whatever is whole is returned, and what is not is told. Needs neither TensorFlow nor Keras.

    run = read_run("logs")
    run.records[-1].gradients["dense/kernel"].norm
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
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
        records: All records, in the order in which they were written.
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
    model: ModelDescription | None = None
    records: list[Record] = []
    damage: list[str] = []
    for file in _event_files(path):
        contents = _read_file(file)
        model = contents.model or model
        records += contents.records
        damage += contents.damage
    return Run(path, model, tuple(records), tuple(damage))


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


def _read_file(file: Path) -> Run:
    model: ModelDescription | None = None
    records: list[Record] = []
    damage: list[str] = []
    for number, event in enumerate(_events(file, damage)):
        try:
            payloads = _payloads(event)
            if metadata.MODEL_TAG in payloads:
                event.verify()
                model = metadata.parse_model(payloads[metadata.MODEL_TAG])
            elif metadata.RECORD_TAG in payloads:
                if model is None:
                    raise metadata.CorruptPayloadError("The model is not described before it.")
                payload = payloads[metadata.RECORD_TAG]
                records.append(metadata.parse_record(payload, model))
            elif number > 0:  # the first says that this is an event file
                raise metadata.CorruptPayloadError("It holds neither a model nor a record.")
        except (DecodeError, metadata.CorruptPayloadError) as error:
            damage.append(f"{file.name}: event {number} is damaged and left out. {error}")
    return Run(file, model, tuple(records), tuple(damage))


def _payloads(event: _TFRecord) -> dict[str, bytes]:
    values = event_pb2.Event.FromString(event.data).summary.value
    return {value.tag: b"".join(value.tensor.string_val) for value in values}


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

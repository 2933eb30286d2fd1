"""The framing of event files: TensorFlow's TFRecord format.

A TFRecord consists of the length of the data, a checksum of the length, the data, and a checksum of
the data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import google_crc32c

_HEADER_BYTES = 12
_FOOTER_BYTES = 4

BYTES_AROUND_DATA = _HEADER_BYTES + _FOOTER_BYTES


@dataclass(frozen=True)
class TFRecord:
    """A complete TFRecord.

    Args:
        data: Its data.
        is_whole: Whether the checksum matches the data.
        end: The offset of the next TFRecord in the file, in bytes.
    """

    data: bytes
    is_whole: bool
    end: int


class LostRestError(ValueError):
    """The length of a TFRecord is damaged, so the rest of the file can't be read.

    Args:
        start: The offset of the rest in the file, in bytes.
        size: The size of the rest, in bytes.
    """

    def __init__(self, start: int, size: int) -> None:
        super().__init__(f"the last {size} bytes, from offset {start} on, are damaged.")


def framed(data: bytes) -> bytes:
    """Returns data as a TFRecord."""
    length = struct.pack("<Q", len(data))
    checksums = (struct.pack("<I", _masked_crc32c(part)) for part in (length, data))
    return length + next(checksums) + data + next(checksums)


def tfrecords(file: Any, start: int = 0) -> Iterator[TFRecord]:
    """Yields each complete TFRecord. An incomplete last one is left for a later call.

    Args:
        file: An open binary file.
        start: The offset of the first TFRecord to read, in bytes.

    Raises:
        LostRestError: If a length is damaged.
    """
    if start:
        _skip(file, start)
    while len(header := file.read(_HEADER_BYTES)) == _HEADER_BYTES:
        length, checksum = struct.unpack("<QI", header)
        if checksum != _masked_crc32c(header[:8]):
            raise LostRestError(start, _HEADER_BYTES + len(file.read()))
        data = file.read(length + _FOOTER_BYTES)
        if len(data) < length + _FOOTER_BYTES:
            return
        data, footer = data[:length], data[length:]
        start += length + BYTES_AROUND_DATA
        yield TFRecord(data, struct.unpack("<I", footer)[0] == _masked_crc32c(data), start)


def _skip(file: Any, size: int) -> None:
    if hasattr(file, "seek"):
        file.seek(size)
    else:  # TensorBoard's stub for remote files has no seek
        file.read(size)


def _masked_crc32c(data: bytes) -> int:
    checksum = google_crc32c.value(data)
    return (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF

"""The frames of an event file: TensorFlow's TFRecord format.

A TFRecord is the length of the data, the checksum of that, the data, and their checksum.
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
    """A TFRecord that is all there.

    Args:
        data: Its data.
        is_whole: Whether the checksum is that of the data.
        end: Where the next one begins, in bytes from the start of the file.
    """

    data: bytes
    is_whole: bool
    end: int


class LostRestError(ValueError):
    """The length of a TFRecord is damaged, so that the end of the file can't be read.

    Args:
        start: Where the rest begins, in bytes from the start of the file.
        size: Its size in bytes.
    """

    def __init__(self, start: int, size: int) -> None:
        super().__init__(f"the last {size} bytes, from {start} on, are damaged.")


def framed(data: bytes) -> bytes:
    """Returns data as a TFRecord."""
    length = struct.pack("<Q", len(data))
    checksums = (struct.pack("<I", _masked_crc32c(part)) for part in (length, data))
    return length + next(checksums) + data + next(checksums)


def tfrecords(file: Any, start: int = 0) -> Iterator[TFRecord]:
    """Yields each TFRecord that is all there; an incomplete last one is left for later.

    Args:
        file: An open binary file.
        start: Where the first one begins, in bytes from the start of the file.

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
    else:  # a remote file without TensorFlow
        file.read(size)


def _masked_crc32c(data: bytes) -> int:
    checksum = google_crc32c.value(data)
    return (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF

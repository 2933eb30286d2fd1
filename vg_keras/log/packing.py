"""Packs named arrays into few bytes, and unpacks them, all or only the first ones.

The arrays of a record are written in the order in which readers need them, so that who needs only
the first ones need not decompress the rest. Requires only NumPy.
"""

from __future__ import annotations

import functools
import io
import math
import zlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 14
"""Bytes to decompress at a time, if not everything is needed."""


def packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Returns named arrays of at most two dimensions, compressed to few bytes.

    Each column is stored as all first bytes, then all second bytes, and so on: numbers of similar
    size share their high bytes, which then compress well. All arrays, in NumPy's own format, are
    compressed as one stream: an .npz, which compresses each array by itself, takes twice as long.
    """
    names = [f"{name} {array.dtype.str} {array.ndim}" for name, array in arrays.items()]
    file = io.BytesIO()
    for array in (np.array(names), *map(_planes, arrays.values())):
        np.save(file, array, allow_pickle=False)
    return zlib.compress(file.getvalue(), level=6)


def unpacked(payload: bytes, last: str | None = None) -> dict[str, NDArray[Any]]:
    """Returns the arrays in a payload of `packed`, or of an earlier format version.

    Args:
        payload: The payload.
        last: The name of the array to stop after, if the payload has it. What follows is not
            decompressed, and damage to it goes unnoticed.
    """
    contents: _Readable = _Decompressed(payload) if last else io.BytesIO(zlib.decompress(payload))
    arrays = {}
    for entry in _read_array(contents).tolist():
        name, *how = entry.split()
        array = _read_array(contents)
        arrays[name] = _from_planes(array, np.dtype(how[0]), int(how[1])) if how else array
        if name == last:
            break
    return arrays


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """Returns the next bytes."""


class _Decompressed:
    """Decompresses a payload as far as it is read."""

    def __init__(self, payload: bytes) -> None:
        self._zlib = zlib.decompressobj()
        self._rest = payload
        self._ready = b""

    def read(self, size: int, /) -> bytes:
        while len(self._ready) < size and self._rest:
            self._ready += self._zlib.decompress(self._rest, max(_CHUNK, size - len(self._ready)))
            self._rest = self._zlib.unconsumed_tail
        found, self._ready = self._ready[:size], self._ready[size:]
        return found


def _read_array(contents: _Readable) -> NDArray[Any]:
    """Returns the next array, which is in NumPy's own format.

    `np.load` parses the header of each array as Python code, which takes longer than all the rest;
    the headers of most records are the same.
    """
    start = contents.read(len(np.lib.format.MAGIC_PREFIX) + 4)
    shape, dtype = _header(start + contents.read(int.from_bytes(start[-2:], "little")))
    count = math.prod(shape)
    found = np.frombuffer(contents.read(count * dtype.itemsize), dtype, count)
    return found.reshape(shape)


@functools.lru_cache(4096)
def _header(header: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Returns the shape and the dtype in the header of an array.

    Raises:
        ValueError: If it is not that of an array in C order without Python objects.
    """
    file = io.BytesIO(header)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("Expected an array in version 1.0 of NumPy's format.")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject or (is_fortran and len(shape) > 1):
        raise ValueError(f"Expected an array of numbers in C order. Received: dtype={dtype}.")
    return shape, dtype


def _planes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Returns the bytes of an array `[rows, columns]` as `[columns, bytes, rows]`."""
    columns = np.ascontiguousarray(np.atleast_2d(array.T))
    as_bytes = columns.view(np.uint8).reshape(*columns.shape, array.dtype.itemsize)
    return np.ascontiguousarray(as_bytes.transpose(0, 2, 1))


def _from_planes(planes: NDArray[np.uint8], dtype: np.dtype[Any], ndim: int) -> NDArray[Any]:
    columns = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(dtype)[:, :, 0]
    return columns.T if ndim == 2 else columns[0] if ndim == 1 else columns[0, 0]

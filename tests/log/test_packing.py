"""Named arrays in few bytes: all of them, or only the first ones."""

import zlib

import numpy as np
import pytest

from vg_keras.log import packing
from vg_keras.log.packing import packed, unpacked


@pytest.mark.parametrize(
    "array",
    [
        np.int64(7),
        np.float64(-0.5),
        np.arange(5, dtype=np.int32),
        np.zeros(0, np.uint16),
        np.arange(12.0).reshape(4, 3),
        np.zeros([0, 8]),
    ],
)
def test_packed_arrays_round_trip(array):
    array = np.asarray(array)
    found = unpacked(packed({"a": array, "b": np.int64(1)}))

    assert (found["a"].dtype, found["a"].shape) == (array.dtype, array.shape)
    assert np.array_equal(found["a"], array)
    assert found["b"] == 1


ARRAYS = {"a": np.arange(3), "b": np.arange(12.0).reshape(4, 3), "c": np.arange(50_000) % 251}


@pytest.mark.parametrize("last", ["a", "b", "c"])
def test_unpacking_stops_after_the_last_array_that_is_needed(last):
    found = unpacked(packed(ARRAYS), last)
    expected = list(ARRAYS)[: list(ARRAYS).index(last) + 1]

    assert list(found) == expected
    assert all(np.array_equal(found[name], ARRAYS[name]) for name in expected)


def test_what_is_not_needed_is_not_decompressed(monkeypatch):
    class Counted(packing._Decompressed):
        num_bytes = 0

        def read(self, size, /):
            found = super().read(size)
            Counted.num_bytes += len(found) + len(self._ready)
            return found

    monkeypatch.setattr(packing, "_Decompressed", Counted)
    arrays = {"a": np.arange(3), "c": np.random.default_rng(0).random(500_000)}
    unpacked(packed(arrays), "a")

    assert 0 < Counted.num_bytes < arrays["c"].nbytes / 4


def test_everything_is_unpacked_if_the_last_array_is_not_there():
    assert list(unpacked(packed(ARRAYS), "nonfinite")) == list(ARRAYS)


def test_a_payload_that_ends_too_early_raises():
    with pytest.raises((ValueError, zlib.error)):
        unpacked(packed(ARRAYS)[:60], "b")

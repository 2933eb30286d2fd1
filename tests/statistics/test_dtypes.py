"""Tensors of every floating dtype, against a NumPy twin: eagerly, in a graph and under XLA."""

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from numpy_twin import bucket_counts, statistics
from sketches import EXACT, MODES, sketch_in, twins_of, values_of

from vg_keras.statistics.tensor_sketch import sketch

pytestmark = pytest.mark.slow

SUMS = ("finite_sum", "finite_l1_norm", "finite_norm")
OF_16_BITS = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
INF, NAN = np.inf, np.nan

FLOAT64 = {
    name: np.resize(values, 10)
    for name, values in {
        "within the range of float32": np.random.default_rng(0).normal(size=10),
        "too large for float32": [1e300, -1e200, 1e39, 1.0],
        "too small for float32": [1e-60, -1e-300, 1e-46, 1e-45, 1e-40],
        "too small, and none of them": [1e-60],
        "just below an edge": [np.nextafter(2.0, 0), np.nextafter(-(2.0**-126), 0)],
        "just below two to the 128": [np.nextafter(2.0**128, 0), -(2.0**128)],
        "infinities": [INF, -INF, 1e300, 0.0, -0.0, INF],
        "all zero": [0.0, -0.0],
    }.items()
}


def every_pattern(dtype):
    """Returns every 16-bit pattern, NaNs included."""
    every = np.arange(2**16, dtype=np.uint16).view(dtype)
    is_nan = np.isnan(every.astype(np.float32))
    return every[~is_nan], every[is_nan]


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


@pytest.fixture(scope="module", params=MODES)
def float64_sketches(request):
    return {case: sketch_in(request.param, values) for case, values in FLOAT64.items()}


@pytest.mark.parametrize("name", EXACT)
def test_counts_and_extremes_of_float64_are_exact(float64_sketches, name):
    expected = twins_of(name, FLOAT64)

    assert values_of(name, float64_sketches) == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_float64_have_float64_precision(float64_sketches, name):
    expected = pytest.approx(twins_of(name, FLOAT64), rel=1e-14, abs=0, nan_ok=True)

    assert values_of(name, float64_sketches) == expected


@pytest.mark.parametrize("case", FLOAT64)
def test_float64_beyond_float32_range_is_in_the_outermost_finite_buckets(float64_sketches, case):
    assert np.all(float64_sketches[case].counts == bucket_counts(FLOAT64[case]))


def test_float64_nans_do_not_affect_other_statistics(mode):
    values = FLOAT64["too large for float32"].copy()
    values[4:] = [NAN, -NAN, NAN, 1e-60, NAN, 2.0]
    found, expected = sketch_in(mode, values), statistics(values)

    assert found.nans == 4
    assert found.finite_min == expected["finite_min"]
    assert found.finite_norm == pytest.approx(expected["finite_norm"], rel=1e-14)
    assert np.all(found.counts[:1020] == bucket_counts(values)[:1020])


def test_a_subnormal_float64_is_counted_next_to_zero_on_its_side(mode):
    found = sketch_in(mode, np.array([-1e-310, -5e-324, 1e-310, 0.0]))

    assert found.zeros == 1
    assert (found.counts[0], found.counts[1024]) == (2, 2)


def test_a_subnormal_float64_counts_as_zero_in_the_moments(mode):
    found = sketch_in(mode, np.array([-1e-310, 3.0, 4.0]))

    assert (found.min, found.max, found.sum) == (0, 4, 7)
    assert found.norm == pytest.approx(5, rel=1e-14)


@pytest.mark.parametrize("dtype", OF_16_BITS.values(), ids=OF_16_BITS)
def test_every_16_bit_number_is_supported(mode, dtype):
    values, _ = every_pattern(dtype)
    found, expected = sketch_in(mode, values), statistics(values)

    assert [getattr(found, name) for name in EXACT] == [expected[name] for name in EXACT]
    assert found.finite_norm == pytest.approx(expected["finite_norm"], rel=1e-6)
    assert np.all(found.counts == bucket_counts(values))


@pytest.mark.parametrize("dtype", OF_16_BITS.values(), ids=OF_16_BITS)
def test_every_16_bit_nan_is_counted_as_nan(dtype):
    _, nans = every_pattern(dtype)
    found = sketch_in("eager", nans)

    assert found.nans == len(nans) > 0
    assert found.finite == 0


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64, tf.bool, tf.complex64])
def test_a_tensor_of_another_dtype_raises_with_a_remedy(dtype):
    with pytest.raises(TypeError) as error:
        sketch(tf.zeros([2], dtype))

    assert str(error.value) == (
        "`values` must be of dtype float16, bfloat16, float32 or float64. "
        f"Received: {dtype.name}. Cast it to one of these."
    )


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_an_empty_tensor_has_zero_counts_and_sums_and_no_extremes(dtype):
    counts, aggregates = sketch(tf.constant(np.zeros([0], dtype)))

    assert not np.any(counts)
    assert aggregates.numpy() == pytest.approx([0, 0, 0, NAN, NAN, 0, 0, 0], abs=0, nan_ok=True)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_counts_are_int64_and_moments_are_float64(dtype):
    counts, aggregates = sketch(tf.ones([3], dtype))

    assert (counts.dtype, counts.shape) == (tf.int64, [2048])
    assert (aggregates.dtype, aggregates.shape) == (tf.float64, [8])

"""The edges of the buckets, and which bucket a number falls into."""

import numpy as np
import pytest
from numpy_twin import bucket_counts

from vg_keras.sketch import buckets

EDGES = buckets.MAGNITUDE_EDGES
LARGEST_FLOAT32 = np.finfo(np.float32).max


def test_buckets_are_numbered_by_sign_exponent_and_two_mantissa_bits():
    values = [0.0, 1.0, 1.25, 1.5, 1.75, 2.0, -1.0, -1.75]

    assert buckets.bucket_of(values).tolist() == [0, 508, 509, 510, 511, 512, 1532, 1535]


def test_minus_zero_is_in_the_bucket_of_zero():
    assert buckets.bucket_of(-0.0) == buckets.ZERO == 0


def test_negative_buckets_mirror_positive_ones_in_the_upper_half():
    values = EDGES[1:-1]

    assert np.all(buckets.bucket_of(-values) == buckets.bucket_of(values) + buckets.NEGATIVE)


def test_infinities_and_nans_are_in_the_nonfinite_buckets_of_their_sign():
    values = np.array([0x7F800000, 0x7F800001, 0x7FFFFFFF, 0xFF800000, 0xFFFFFFFF], np.uint32)

    assert buckets.bucket_of(values.view(np.float32)).tolist() == [1020, 1020, 1023, 2044, 2047]
    assert buckets.NONFINITE == 1020


def test_the_largest_finite_number_is_just_below_the_nonfinite_buckets():
    assert buckets.bucket_of(LARGEST_FLOAT32) == buckets.NONFINITE - 1


def test_the_smallest_normal_number_is_just_above_the_subnormal_buckets():
    smallest = np.float32(buckets.SMALLEST_NORMAL)

    assert smallest == np.finfo(np.float32).smallest_normal
    assert buckets.bucket_of(smallest) == buckets.SUBNORMAL
    assert buckets.bucket_of(np.nextafter(smallest, np.float32(0))) == buckets.SUBNORMAL - 1


def test_the_smallest_subnormal_shares_the_bucket_of_zero():
    assert buckets.bucket_of(np.float32(1.4e-45)) == buckets.ZERO


@pytest.mark.parametrize("exponent", [-149, -127, -126, -1, 0, 1, 126, 127])
def test_a_power_of_two_and_its_neighbors_are_in_their_buckets(exponent):
    power = np.float32(2.0**exponent)
    below, above = np.nextafter(power, np.float32(0)), np.nextafter(power, np.float32(np.inf))

    for value in (below, power, above):
        assert buckets.bucket_of(value) == np.flatnonzero(bucket_counts(value))


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float16, np.float64])
def test_other_dtypes_are_converted_to_float32_first(dtype):
    assert buckets.bucket_of(np.array([3, -2], dtype)).tolist() == [514, 1536]


def test_the_result_has_the_shape_of_the_values():
    assert buckets.bucket_of(np.ones([2, 0, 3])).shape == (2, 0, 3)
    assert buckets.bucket_of(1.0).shape == ()


def test_edges_ascend_from_zero_to_2_to_the_128():
    assert EDGES.shape == (1021,)
    assert EDGES.dtype == np.float64
    assert (EDGES[0], EDGES[-1]) == (0.0, 2.0**128)
    assert np.all(np.diff(EDGES) > 0)


def test_edges_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        EDGES[0] = 1.0


def test_a_bucket_includes_its_lower_edge_and_excludes_its_upper_edge():
    lower, upper = EDGES[:-1].astype(np.float32), EDGES[1:-1].astype(np.float32)
    below_upper = np.append(np.nextafter(upper, np.float32(0)), LARGEST_FLOAT32)

    assert np.all(buckets.bucket_of(lower) == np.arange(1020))
    assert np.all(buckets.bucket_of(below_upper) == np.arange(1020))


def test_no_normal_bucket_is_wider_than_a_quarter_of_its_lower_edge():
    widths = np.diff(EDGES)[buckets.SUBNORMAL :] / EDGES[buckets.SUBNORMAL : -1]

    assert widths.max() == 0.25


def test_four_buckets_span_a_factor_of_two():
    normal = EDGES[buckets.SUBNORMAL :]

    assert np.all(normal[4:] == 2 * normal[:-4])


def test_each_pattern_of_the_top_eleven_bits_has_a_bucket():
    every_pattern = (np.arange(2048, dtype=np.uint32) << np.uint32(21)).view(np.float32)
    found = buckets.bucket_of(every_pattern)

    assert buckets.NUM_BUCKETS == 2048
    assert found[1024] == buckets.ZERO  # the pattern of -0
    assert np.all(np.delete(found, 1024) == np.delete(np.arange(2048), 1024))

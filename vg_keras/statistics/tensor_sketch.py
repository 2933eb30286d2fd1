"""Sketches tensors inside the train step. The sketch leaves the step instead of the tensor.

Functions from tensors to tensors that compile under XLA and take float16, bfloat16, float32 and
float64. `vg_keras/sketch/sketch.py` has the methods of a finished sketch.

The arithmetic has two pitfalls. TensorFlow's CPU kernels flush subnormal numbers to zero, so only
the bits of a gradient of 1e-40 show that it is not zero. And squares of float32 numbers below 1e-19
or above 1e19 leave float32's range, while a plain float32 sum of a million equal values is off by
6e-4 under XLA. So most tensors are summed in float32, 16 numbers at a time, and tensors with
subnormal, huge or tiny numbers are summed again in float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from vg_keras.sketch import buckets
from vg_keras.statistics.blocks import (
    ROW,
    Blocks,
    blocks_of_one,
    measured_together,
    signature_of_blocks,
    traced_once,
)
from vg_keras.statistics.segments import (
    Segments,
    Totals,
    extremes_where,
    last_rows,
    max_abs,
    measured,
    num_true,
    padding_of,
    segments_of,
    sums_of_rows,
    without_padding,
)

REAL_DTYPES = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
DTYPES = (*REAL_DTYPES, tf.complex64, tf.complex128)
"""The dtypes that can be sketched; complex tensors by their real and imaginary parts."""

_INFINITY = 0x7F800000
_LARGEST_FINITE = 0x7F7FFFFF
_MAGNITUDE = 0x7FFFFFFF
_SIGN = -0x80000000

_LEAST_RMS, _MOST = 3e-16, 1e18
"""float32 sums are used if the root mean square is above the first and max_abs is below the second:
squares that underflow then change the norm by less than 1e-6 relative."""


class TensorSketch(NamedTuple):
    """The sketches of one or several tensors, as tensors.

    Attributes:
        counts: int64 `[..., 2048]`, the number of elements in each bucket of `buckets.py`.
        aggregates: float64 `[..., 8]`, in the order of `sketch.AGGREGATES`, of the finite elements.
            `min` and `max` are NaN if no element is finite.
    """

    counts: tf.Tensor
    aggregates: tf.Tensor


def as_real(values: tf.Tensor) -> tf.Tensor:
    """Returns the real and imaginary parts of a complex tensor, and any other tensor unchanged.

    The L2 norm of the parts equals that of the complex tensor.

    Args:
        values: Tensor of any shape.

    Returns:
        Tensor `[..., 2]` for a complex tensor, else `values`.
    """
    if not values.dtype.is_complex:
        return values
    return tf.stack([tf.math.real(values), tf.math.imag(values)], axis=-1)


def sketch(values: tf.Tensor) -> TensorSketch:
    """Returns the sketch of all elements of a tensor.

    Non-finite values are counted separately and excluded from all other statistics. An empty tensor
    has zero counts and sums. float64 values beyond float32's range are counted in the outermost
    bucket of finite numbers. Their aggregates are exact nevertheless, except for subnormal float64
    values, below 2e-308, which TensorFlow treats as zero.

    Args:
        values: Tensor of any shape, of dtype float16, bfloat16, float32 or float64.

    Returns:
        A `TensorSketch` of one tensor: counts `[2048]`, aggregates `[8]`.

    Raises:
        TypeError: If the dtype is none of these.
    """
    counts, aggregates = sketch_all([tf.convert_to_tensor(values)])
    return TensorSketch(counts[0], aggregates[0])


def sketch_all(tensors: Sequence[tf.Tensor]) -> TensorSketch:
    """Returns the sketches of several tensors; for small ones, cheaper than one by one.

    Args:
        tensors: At least one tensor, each as in `sketch`.

    Returns:
        A `TensorSketch`: counts `[n, 2048]`, aggregates `[n, 8]`.

    Raises:
        TypeError: If a dtype is not one that `sketch` takes.
    """
    for values in tensors:
        _check(values)
    return TensorSketch(
        *measured_together(
            [(values,) for values in tensors],
            lambda _, parts: sketch_blocks(*parts),
            lambda number: sketch_large(tensors[number]),
        )
    )


def sketch_blocks(blocks: Blocks) -> TensorSketch:
    """Returns the sketches of all tensors in blocks: counts `[n, 2048]`, aggregates `[n, 8]`."""
    return TensorSketch(*_sketching(blocks.rows.dtype)(*blocks))


def sketch_large(values: tf.Tensor) -> TensorSketch:
    """Returns the sketch of one tensor, faster for large ones: `[1, 2048]` and `[1, 8]`."""
    _check(values)
    return TensorSketch(*_sketching_one(values.dtype)(values))


@functools.cache
def _sketching(dtype: tf.DType) -> Callable[..., TensorSketch]:
    return traced_once(
        lambda rows, sizes: _sketched(Blocks(rows, sizes), is_one=False),
        *signature_of_blocks(dtype),
    )


@functools.cache
def _sketching_one(dtype: tf.DType) -> Callable[..., TensorSketch]:
    return traced_once(
        lambda values: _sketched(blocks_of_one(values), is_one=True), tf.TensorSpec(None, dtype)
    )


def _check(values: tf.Tensor) -> None:
    if values.dtype.is_complex or values.dtype not in DTYPES:
        raise TypeError(
            "`values` must be of dtype float16, bfloat16, float32 or float64. "
            f"Received: {values.dtype.name}. Cast it to one of these."
        )


_COUNTS = tf.TensorSpec([buckets.NUM_BUCKETS], tf.int64)
_SUMS = tf.TensorSpec([3], tf.float64)
_NUMBER = tf.TensorSpec([], tf.int64)


def _sketched(blocks: Blocks, is_one: bool) -> TensorSketch:
    rows, segments, padding = blocks.rows, segments_of(blocks, is_one), padding_of(blocks)
    if rows.dtype == tf.float32:
        totals = measured(_counts_and_sums, [rows], segments, [_COUNTS, _SUMS], rows.dtype)
    else:
        totals = measured(_counts, [rows], segments, [_COUNTS])
    counts = totals.added[0] - padding[:, tf.newaxis] * _bucket(buckets.ZERO)
    zeros = tf.cond(
        tf.reduce_any(_of_either_sign(counts, 0, 1) > 0),
        lambda: _num_zeros(rows.dtype)(*blocks) - padding,
        lambda: tf.zeros_like(padding),
    )
    if rows.dtype == tf.float32:
        sums, extremes = totals.added[1], _extremes(blocks, totals)
        is_usual = _are_told(counts, zeros) & _is_in_range(blocks.sizes, sums, extremes, zeros)
        aggregates, negative_zeros = tf.cond(
            tf.reduce_all(is_usual & (blocks.sizes > 0)),
            # Without subnormals, only negative zeros are in the first negative bucket.
            lambda: (_usual_aggregates(sums, extremes), counts[:, buckets.NEGATIVE]),
            lambda: _exact_aggregates(rows.dtype)(*blocks),
        )
    else:
        aggregates, negative_zeros = _exact_aggregates(rows.dtype)(*blocks)
    # Count -0 in the bucket of 0, so that negative buckets hold only negative numbers.
    move = _bucket(buckets.ZERO) - _bucket(buckets.NEGATIVE)
    counts += negative_zeros[:, tf.newaxis] * move
    zeros = tf.cast(zeros, tf.float64)[:, tf.newaxis]
    return TensorSketch(counts, tf.concat([aggregates[:, :5], zeros, aggregates[:, 5:]], axis=1))


def _bucket(index: int) -> tf.Tensor:
    return tf.one_hot(index, buckets.NUM_BUCKETS, dtype=tf.int64)


def _bits(values: tf.Tensor) -> tf.Tensor:
    """Returns the bits of float32 values, or of float64 values truncated to float32, as int32."""
    if values.dtype == tf.float64:
        return _float32_bits(values)
    return tf.bitcast(values, tf.int32)


def _counts(rows: tf.Tensor, segments: Segments) -> Totals:
    """Counts the elements of each bucket, including padding."""
    # A logical shift of unsigned bits: an arithmetic shift would need another pass to add 1024.
    bits = tf.bitcast(_bits(rows), tf.uint32)
    indices = tf.bitcast(tf.bitwise.right_shift(bits, buckets.SHIFT), tf.int32)
    counts = tf.raw_ops.DenseBincount(
        input=tf.reshape(segments.numbered(indices, buckets.NUM_BUCKETS), [-1]),
        size=segments.num * buckets.NUM_BUCKETS,
        weights=tf.zeros([0], tf.int32),
        binary_output=False,
    )
    return Totals((tf.cast(tf.reshape(counts, [-1, buckets.NUM_BUCKETS]), tf.int64),))


def _counts_and_sums(rows: tf.Tensor, segments: Segments) -> Totals:
    """Counts float32 elements, and computes aggregates that are valid for usual numbers."""
    magnitudes = tf.abs(rows)
    sums = [sums_of_rows(values) for values in (rows, magnitudes, magnitudes * magnitudes)]
    is_full = segments.valid >= ROW  # for the others, see `last_rows`
    infinity = tf.constant(float("inf"), rows.dtype)
    least = tf.where(is_full, tf.reduce_min(rows, axis=1), infinity)
    most = tf.where(is_full, tf.reduce_max(rows, axis=1), -infinity)
    return Totals(
        (*_counts(rows, segments).added, segments.sum(tf.stack(sums, axis=1))),
        segments.extremes(least, most),
    )


# Rarely run code is in functions: TensorFlow instantiates a function only when first called.


@functools.cache
def _num_zeros(dtype: tf.DType) -> Callable[..., tf.Tensor]:
    return traced_once(
        lambda rows, sizes: measured(
            _zeros, [rows], segments_of(Blocks(rows, sizes), is_one=False), [_NUMBER]
        ).added[0],
        *signature_of_blocks(dtype),
    )


@functools.cache
def _exact_aggregates(dtype: tf.DType) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    return traced_once(
        lambda rows, sizes: _moments_of_any(rows, segments_of(Blocks(rows, sizes), is_one=False)),
        *signature_of_blocks(dtype),
    )


def _zeros(rows: tf.Tensor, segments: Segments) -> Totals:
    """Counts the zeros of both signs, including padding.

    Compares bits: a comparison of numbers would treat subnormals as zero.
    """
    is_zero = tf.equal(tf.bitwise.left_shift(_bits(rows), 1), 0)
    if rows.dtype == tf.float64:
        is_zero = tf.equal(tf.bitwise.left_shift(tf.bitcast(rows, tf.int64), 1), 0)
    return Totals((segments.sum(num_true(is_zero)),))


def _of_either_sign(counts: tf.Tensor, start: int, stop: int) -> tf.Tensor:
    by_sign = tf.reshape(counts, [-1, 2, buckets.NEGATIVE])
    return tf.reduce_sum(by_sign[:, :, start:stop], axis=[1, 2])


def _are_told(counts: tf.Tensor, zeros: tf.Tensor) -> tf.Tensor:
    """Whether float32 arithmetic handles all numbers: none is infinite, NaN or subnormal."""
    nonfinite = _of_either_sign(counts, buckets.NONFINITE, buckets.NEGATIVE)
    subnormal = _of_either_sign(counts, 0, buckets.SUBNORMAL) - zeros
    return tf.equal(nonfinite + subnormal, 0)


def _is_in_range(
    sizes: tf.Tensor, sums: tf.Tensor, extremes: tf.Tensor, zeros: tf.Tensor
) -> tf.Tensor:
    """Whether the float32 sums have lost nothing to underflow or overflow."""
    is_large = sums[:, 2] > tf.cast(sizes, tf.float64) * _LEAST_RMS**2
    is_small = tf.reduce_max(tf.abs(extremes), axis=1) < _MOST
    return (is_large & is_small) | tf.equal(zeros, sizes)


def _extremes(blocks: Blocks, totals: Totals) -> tf.Tensor:
    """Returns min and max of each tensor without padding, float32 `[n, 2]`."""
    last, is_element = last_rows(blocks)
    whole = Totals((), totals.extremes)
    both = whole.with_those_of(Totals((), extremes_where(is_element, last)))
    return tf.stack(both.extremes, axis=1)


def _usual_aggregates(sums: tf.Tensor, extremes: tf.Tensor) -> tf.Tensor:
    extremes = tf.cast(extremes, tf.float64)
    norms = tf.sqrt(sums[:, 2:])
    return tf.concat([sums[:, :2], norms, extremes, tf.zeros_like(extremes)], axis=1)


def _moments_of_any(rows: tf.Tensor, segments: Segments) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the aggregates of the finite elements, for numbers of any scale.

    Returns:
        All aggregates but `zeros`, float64 `[n, 7]`, and the number of negative zeros, int64 `[n]`.
    """
    unit = _unit(rows, segments)

    def aggregates(rows: tf.Tensor, segments: Segments) -> Totals:
        numbers, is_finite = exact_numbers(rows), _is_finite(rows)
        finite = tf.math.divide_no_nan(tf.where(is_finite, numbers, 0.0), segments.spread(unit))
        sums = [sums_of_rows(values) for values in (finite, tf.abs(finite), finite * finite)]
        is_finite &= without_padding(segments)
        infinity = tf.constant(float("inf"), tf.float64)
        conditions = (
            is_finite,
            tf.equal(numbers, infinity),
            tf.equal(numbers, -infinity),
            # Negative zero: only the sign bit is set.
            tf.equal(_bits(rows), _SIGN),
        )
        return Totals(
            (
                segments.sum(tf.stack(sums, axis=1)),
                segments.sum(tf.stack([num_true(c) for c in conditions], axis=1)),
            ),
            segments.extremes(*extremes_where(is_finite, numbers)),
        )

    specs = [_SUMS, tf.TensorSpec([4], tf.int64)]
    found = measured(aggregates, [rows], segments, specs, tf.float64)
    sums, nums = found.added
    sums = tf.concat([sums[:, :2], tf.sqrt(sums[:, 2:])], axis=1) * unit[:, tf.newaxis]
    extremes = tf.stack(found.extremes, axis=1)
    extremes = tf.where(nums[:, :1] > 0, extremes, tf.constant(float("nan"), tf.float64))
    return tf.concat([sums, extremes, tf.cast(nums[:, 1:3], tf.float64)], axis=1), nums[:, 3]


def _unit(rows: tf.Tensor, segments: Segments) -> tf.Tensor:
    """Returns divisors `[n]` that keep the squares of float64 numbers within float64's range.

    Squares of float32 numbers always are, so their divisor is 1.
    """
    if rows.dtype == tf.float32:
        return tf.ones([segments.num], tf.float64)
    return max_abs(lambda rows: tf.where(_is_finite(rows), tf.abs(rows), 0.0), [rows], segments)


def exact_numbers(rows: tf.Tensor) -> tf.Tensor:
    """Returns float32 or float64 numbers as float64, keeping subnormal float32 numbers."""
    return rows if rows.dtype == tf.float64 else decoded(_bits(rows))


def _is_finite(rows: tf.Tensor) -> tf.Tensor:
    return tf.bitwise.bitwise_and(_bits(rows), _MAGNITUDE) < _INFINITY


def decoded(bits: tf.Tensor) -> tf.Tensor:
    """Returns the float64 value of float32 bits, including subnormal numbers."""
    magnitude = tf.bitwise.bitwise_and(bits, _MAGNITUDE)
    subnormal = tf.cast(magnitude, tf.float64) * 2.0**-149
    signed = tf.where(bits < 0, -subnormal, subnormal)
    is_subnormal = magnitude < (1 << 23)
    return tf.where(is_subnormal, signed, tf.cast(tf.bitcast(bits, tf.float32), tf.float64))


def _float32_bits(values: tf.Tensor) -> tf.Tensor:
    """Returns the bits of float64 values, truncated (not rounded) to float32.

    Nonzero values too small for float32 become the smallest subnormal, finite values too large for
    it become the largest finite float32.
    """
    bits = tf.bitcast(values, tf.int64)
    magnitude = tf.bitwise.bitwise_and(bits, tf.int64.max)
    normal = tf.bitwise.right_shift(magnitude, 52 - 23) - ((1023 - 127) << 23)
    subnormal = tf.cast(tf.abs(values) * 2.0**149, tf.int64)
    cut = tf.where(normal < (1 << 23), tf.clip_by_value(subnormal, 1, (1 << 23) - 1), normal)
    cut = tf.minimum(cut, _LARGEST_FINITE)
    cut = tf.where(tf.equal(magnitude, 0), tf.zeros_like(cut), cut)
    cut = tf.where(
        tf.math.is_inf(values), tf.fill(tf.shape(cut), tf.constant(_INFINITY, tf.int64)), cut
    )
    cut = tf.where(
        tf.math.is_nan(values), tf.fill(tf.shape(cut), tf.constant(_MAGNITUDE, tf.int64)), cut
    )
    sign = tf.where(bits < 0, _SIGN, 0)
    return tf.bitwise.bitwise_or(tf.cast(cut, tf.int32), sign)

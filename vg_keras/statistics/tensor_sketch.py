"""Sketches a tensor inside the train step: what leaves the step instead of the tensor itself.

Pure tensor -> tensor functions. They compile under XLA, take float16, bfloat16, float32 and
float64, and know neither Keras nor files. What a finished sketch can be asked is in `sketch.py`.

Two things make the arithmetic careful. TensorFlow runs its CPU kernels with subnormal numbers
flushed to zero, so a gradient of 1e-40 is seen by its bits only. And the square of a float32 leaves
float32's range below 1e-19 and above 1e19, while a plain float32 sum of a million equal values is
off by 6e-4 under XLA, so sums are taken of values scaled by a power of two, and in float64.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from vg_keras.statistics import buckets

DTYPES = (tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64, tf.complex128)
"""What can be sketched; of complex numbers `as_real`."""

_INFINITY = 0x7F800000
_LARGEST_FINITE = 0x7F7FFFFF
_MAGNITUDE = 0x7FFFFFFF
_SIGN = -0x80000000
_UNIT_EXPONENT = 1 << 23
_LARGEST_SCALED = 4.0
_LANES = 16


class TensorSketch(NamedTuple):
    """The sketches of one or several tensors, as tensors.

    Attributes:
        counts: int64 `[..., 2048]`, the number of elements in each bucket of `buckets.py`.
        moments: float64 `[..., 8]`, in the order of `sketch.MOMENTS`, of the finite elements alone.
            `smallest` and `largest` are NaN where no element is finite.
    """

    counts: tf.Tensor
    moments: tf.Tensor


def as_real(values: tf.Tensor) -> tf.Tensor:
    """Returns the real and imaginary parts of complex numbers, and any other tensor as it is.

    The L2 norm of the parts is that of the complex numbers.

    Args:
        values: Tensor of any shape.

    Returns:
        Tensor `[..., 2]` for a complex tensor.
    """
    if not values.dtype.is_complex:
        return values
    return tf.stack([tf.math.real(values), tf.math.imag(values)], axis=-1)


def sketch(values: tf.Tensor) -> TensorSketch:
    """Returns the sketch of all elements of a tensor.

    NaN and infinities are counted and leave every other number as if they were not there. An empty
    tensor has zero counts and sums. float64 values beyond float32's range are counted in the
    outermost bucket of finite numbers; their moments are exact all the same, but for subnormal
    float64, below 2e-308, which TensorFlow takes for zero.

    Args:
        values: Tensor of any shape, of dtype float16, bfloat16, float32 or float64.

    Returns:
        A `TensorSketch` of one tensor: counts `[2048]`, moments `[8]`.

    Raises:
        TypeError: The dtype is none of these.
    """
    counts, moments = sketch_all([values])
    return TensorSketch(counts[0], moments[0])


def sketch_all(tensors: Sequence[tf.Tensor]) -> TensorSketch:
    """Returns the sketches of several tensors, cheaper than one by one where they are small.

    Args:
        tensors: At least one tensor, each as in `sketch`.

    Returns:
        A `TensorSketch`: counts `[n, 2048]`, moments `[n, 8]`.

    Raises:
        TypeError: A dtype is none of those that `sketch` takes.
    """
    flat = [_flattened(values) for values in tensors]
    if all(values.dtype == tf.float32 for values in flat):
        return _sketch_float32(flat)
    sketches = [_sketch_float32([v]) if v.dtype == tf.float32 else _sketch_float64(v) for v in flat]
    return TensorSketch(*(tf.concat(parts, axis=0) for parts in zip(*sketches, strict=True)))


def _flattened(values: tf.Tensor) -> tf.Tensor:
    if values.dtype in (tf.float16, tf.bfloat16):
        values = tf.cast(values, tf.float32)
    if values.dtype not in (tf.float32, tf.float64):
        raise TypeError(
            "`values` must be of dtype float16, bfloat16, float32 or float64. "
            f"Received: {values.dtype.name}. Cast it to one of these."
        )
    return tf.reshape(values, [-1])


def _sketch_float32(flat: list[tf.Tensor]) -> TensorSketch:
    parts = [_count_and_extremes(values) for values in flat]
    counts, smallest, largest = (tf.stack(column) for column in zip(*parts, strict=True))
    none = tf.zeros([len(flat)], tf.int32)
    zeros = tf.cond(
        tf.reduce_any(_of_either_sign(counts, 0, 1) > 0),
        lambda: tf.stack([_count_zeros(_bits(values)) for values in flat]),
        lambda: none,
    )
    # Outside of the condition below, where XLA can fuse it: most gradients are usual.
    fast = _fast_moments(flat, smallest, largest)
    is_empty = [tf.equal(tf.size(values), 0) for values in flat]
    is_unusual = (_num_nonfinite(counts) > 0) | (_num_subnormal(counts) > zeros) | is_empty
    moments, negative_zeros = tf.cond(
        tf.reduce_any(is_unusual),
        lambda: _exact_moments_of_bits([_bits(values) for values in flat]),
        # Without subnormals only zeros have the smallest magnitude.
        lambda: (fast, counts[:, buckets.NEGATIVE]),
    )
    return _assembled(counts, moments, zeros, negative_zeros)


def _sketch_float64(values: tf.Tensor) -> TensorSketch:
    bits = _float32_bits(values)
    columns = (_count(bits), _exact_moments(values, bits), _count_zeros(bits), _count_of_sign(bits))
    return _assembled(*(column[tf.newaxis] for column in columns))


def _assembled(
    counts: tf.Tensor, moments: tf.Tensor, zeros: tf.Tensor, negative_zeros: tf.Tensor
) -> TensorSketch:
    # -0 counts in the bucket of 0, so that the bucket of a negative number says it is negative.
    move = tf.one_hot(buckets.ZERO, buckets.NUM_BUCKETS, dtype=tf.int32)
    move -= tf.one_hot(buckets.NEGATIVE, buckets.NUM_BUCKETS, dtype=tf.int32)
    counts += negative_zeros[:, tf.newaxis] * move
    zeros = tf.cast(zeros, tf.float64)[:, tf.newaxis]
    moments = tf.concat([moments[:, :5], zeros, moments[:, 5:]], axis=1)
    return TensorSketch(tf.cast(counts, tf.int64), moments)


# The functions that pass over all elements of a tensor are traced once, for any length: traced anew
# for each of a hundred variables they would cost seconds at the first recorded step.
_FLOAT32 = tf.TensorSpec([None], tf.float32)
_INT32 = tf.TensorSpec([None], tf.int32)
RARE = {"_noinline": True}
"""For what is seldom run: a graph into which it is copied for every tensor takes seconds more to
prepare, and a call that is not made costs nothing."""


def _bits(values: tf.Tensor) -> tf.Tensor:
    return tf.bitcast(values, tf.int32)


@tf.function(input_signature=[_FLOAT32], autograph=False)
def _count_and_extremes(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    return _count(_bits(values)), tf.reduce_min(values), tf.reduce_max(values)


def _count(bits: tf.Tensor) -> tf.Tensor:
    # The logical shift, of unsigned bits: an arithmetic one would need another pass to add 1024.
    shifted = tf.bitwise.right_shift(tf.bitcast(bits, tf.uint32), buckets.SHIFT)
    return tf.raw_ops.DenseBincount(
        input=tf.bitcast(shifted, tf.int32),
        size=buckets.NUM_BUCKETS,
        weights=tf.zeros([0], tf.int32),
        binary_output=False,
    )


def _of_either_sign(counts: tf.Tensor, start: int, stop: int) -> tf.Tensor:
    by_sign = tf.reshape(counts, [-1, 2, buckets.NEGATIVE])
    return tf.reduce_sum(by_sign[:, :, start:stop], axis=[1, 2])


def _num_nonfinite(counts: tf.Tensor) -> tf.Tensor:
    return _of_either_sign(counts, buckets.NONFINITE, buckets.NEGATIVE)


def _num_subnormal(counts: tf.Tensor) -> tf.Tensor:
    return _of_either_sign(counts, 0, buckets.SUBNORMAL)


def _count_where(condition: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(condition, tf.int32))


@tf.function(input_signature=[_INT32], autograph=False)
def _count_zeros(bits: tf.Tensor) -> tf.Tensor:
    """Counts the zeros of both signs by their bits: a comparison would take subnormals for zero."""
    return _count_where(tf.equal(tf.bitwise.left_shift(bits, 1), 0))


def _count_of_sign(bits: tf.Tensor) -> tf.Tensor:
    """Counts the zeros that are negative, of which nothing but the sign bit is set."""
    return _count_where(tf.equal(bits, _SIGN))


def _fast_moments(flat: list[tf.Tensor], smallest: tf.Tensor, largest: tf.Tensor) -> tf.Tensor:
    """Returns the moments of float32 values that are all finite and none of them subnormal."""
    unit, reciprocal = _power_of_two(tf.maximum(-smallest, largest))
    scales = tf.unstack(reciprocal, num=len(flat))
    sums = tf.stack([_scaled_sums(v, scale) for v, scale in zip(flat, scales, strict=True)])
    extremes = tf.cast(tf.stack([smallest, largest], axis=1), tf.float64)
    return tf.concat(
        [sums * tf.cast(unit, tf.float64)[:, tf.newaxis], extremes, tf.zeros_like(extremes)], axis=1
    )


@tf.function(input_signature=[_FLOAT32, tf.TensorSpec([], tf.float32)], autograph=False)
def _scaled_sums(values: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Returns sum, sum of magnitudes and norm of the values multiplied by a power of two."""
    scaled = values * scale
    # The bound changes no value. It keeps XLA from turning (a*b)*(a*b), where a is a constant, into
    # (b*b)*(a*a), and b*b is out of range: the norm of a constant zero would be NaN.
    magnitudes = tf.minimum(tf.abs(scaled), _LARGEST_SCALED)
    return tf.stack(
        [
            sum_in_lanes(scaled),
            sum_in_lanes(magnitudes),
            tf.sqrt(sum_in_lanes(magnitudes * magnitudes)),
        ]
    )


def _power_of_two(magnitude: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the power of two just below a float32, and its reciprocal, both of them normal."""
    # Read the exponent from the bits: floor(log(x)/log(2)) puts 23 of the 254 normal powers of two
    # one off. The reciprocal is made of bits too, so that XLA finds no division to rewrite.
    exponent = tf.bitwise.bitwise_and(_bits(magnitude), _INFINITY)
    exponent = tf.clip_by_value(exponent, _UNIT_EXPONENT, 253 * _UNIT_EXPONENT)
    reciprocal = 254 * _UNIT_EXPONENT - exponent
    return tf.bitcast(exponent, tf.float32), tf.bitcast(reciprocal, tf.float32)


def sum_in_lanes(values: tf.Tensor) -> tf.Tensor:
    """Adds float32 values: 16 at a time in float32, right to 1e-6, and their sums in float64."""
    whole = tf.size(values) // _LANES * _LANES
    lanes = tf.reduce_sum(tf.reshape(values[:whole], [_LANES, -1]), axis=0)
    rest = tf.cast(values[whole:], tf.float64)
    return tf.reduce_sum(tf.cast(lanes, tf.float64)) + tf.reduce_sum(rest)


def _exact_moments_of_bits(flat: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    moments, negative_zeros = zip(*map(_exact_moments_of, flat), strict=True)
    return tf.stack(moments), tf.stack(negative_zeros)


@tf.function(input_signature=[_INT32], autograph=False, experimental_attributes=RARE)
def _exact_moments_of(bits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return _exact_moments(decoded(bits), bits), _count_of_sign(bits)


def _exact_moments(values: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Returns the moments of any float64 values, passing over those that are not finite."""
    finite = tf.bitwise.bitwise_and(bits, _MAGNITUDE) < _INFINITY
    infinity = tf.constant(float("inf"), tf.float64)
    smallest = tf.reduce_min(tf.where(finite, values, infinity))
    largest = tf.reduce_max(tf.where(finite, values, -infinity))
    unit = tf.maximum(-smallest, largest)
    scaled = tf.where(finite, tf.math.divide_no_nan(values, unit), 0.0)
    sums = [tf.reduce_sum(scaled), tf.reduce_sum(tf.abs(scaled)), tf.norm(scaled)]
    any_finite = tf.reduce_any(finite)
    nan = tf.constant(float("nan"), tf.float64)
    return tf.stack(
        [tf.where(any_finite, s * unit, 0.0) for s in sums]
        + [tf.where(any_finite, extreme, nan) for extreme in (smallest, largest)]
        + [
            tf.cast(_count_where(tf.equal(values, signed)), tf.float64)
            for signed in (infinity, -infinity)
        ]
    )


def decoded(bits: tf.Tensor) -> tf.Tensor:
    """Returns the float64 value of float32 bits, subnormals included."""
    magnitude = tf.bitwise.bitwise_and(bits, _MAGNITUDE)
    subnormal = tf.cast(magnitude, tf.float64) * 2.0**-149
    signed = tf.where(bits < 0, -subnormal, subnormal)
    is_subnormal = magnitude < (1 << 23)
    return tf.where(is_subnormal, signed, tf.cast(tf.bitcast(bits, tf.float32), tf.float64))


def _float32_bits(values: tf.Tensor) -> tf.Tensor:
    """Returns the bits of float64 values cut off, not rounded, to float32.

    A nonzero magnitude too small for float32 becomes its smallest, one too large its largest.
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

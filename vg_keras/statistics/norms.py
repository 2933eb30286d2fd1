"""L2 norms of several tensors at once, without the counts of a sketch. Compiles under XLA."""

from collections.abc import Sequence

import tensorflow as tf

from vg_keras.statistics.tensor_sketch import RARE, decoded, sum_in_lanes

_LEAST, _MOST = 1e-25, 1e30
"""Between these a sum of squares has lost nothing to the ends of float32's range."""


def norms(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the L2 norm of each tensor, right to 1e-6 relative, at any scale.

    Args:
        tensors: At least one tensor of any shape, of a floating dtype.

    Returns:
        float64 `[n]`; 0 for an empty tensor, NaN or infinity where an element is not finite.
    """
    flat = [_widened(tf.reshape(values, [-1])) for values in tensors]
    squares = tf.stack([_sum_of_squares(values) for values in flat])
    return tf.cond(
        tf.reduce_all(_is_usual(squares)),
        lambda: tf.sqrt(squares),
        lambda: tf.stack([_careful_norm(values) for values in flat]),
    )


def _is_usual(squares: tf.Tensor) -> tf.Tensor:
    return (squares > _LEAST) & (squares < _MOST)


def _careful_norm(values: tf.Tensor) -> tf.Tensor:
    return _scaled_norm(values) if values.dtype == tf.float64 else _norm_of_float32(values)


# Traced once, for any length: traced anew for each of a hundred variables it would cost seconds.
@tf.function(
    input_signature=[tf.TensorSpec([None], tf.float32)],
    autograph=False,
    experimental_attributes=RARE,
)
def _norm_of_float32(values: tf.Tensor) -> tf.Tensor:
    square = _sum_of_squares(values)
    return tf.cond(
        _is_usual(square),
        lambda: tf.sqrt(square),
        # By its bits: a cast would take subnormal numbers for zero.
        lambda: _scaled_norm(decoded(tf.bitcast(values, tf.int32))),
    )


def _widened(values: tf.Tensor) -> tf.Tensor:
    return values if values.dtype == tf.float64 else tf.cast(values, tf.float32)


def _sum_of_squares(values: tf.Tensor) -> tf.Tensor:
    squares = values * values
    return tf.reduce_sum(squares) if values.dtype == tf.float64 else sum_in_lanes(squares)


def _scaled_norm(values: tf.Tensor) -> tf.Tensor:
    unit = tf.reduce_max(tf.concat([tf.abs(values), tf.zeros([1], tf.float64)], axis=0))
    return tf.norm(tf.math.divide_no_nan(values, unit)) * unit

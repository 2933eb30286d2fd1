"""L2 norms of several tensors at once, without the counts of a sketch. Compiles under XLA."""

from collections.abc import Sequence

import tensorflow as tf

from vg_keras.statistics.tensor_sketch import decoded, sum_in_lanes

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
    is_usual = (squares > _LEAST) & (squares < _MOST)

    def one_by_one() -> tf.Tensor:
        rows = zip(flat, tf.unstack(squares), tf.unstack(is_usual), strict=True)
        return tf.stack([_norm(values, square, usual) for values, square, usual in rows])

    return tf.cond(tf.reduce_all(is_usual), lambda: tf.sqrt(squares), one_by_one)


def _norm(values: tf.Tensor, square: tf.Tensor, is_usual: tf.Tensor) -> tf.Tensor:
    return tf.cond(is_usual, lambda: tf.sqrt(square), lambda: _scaled_norm(values))


def _widened(values: tf.Tensor) -> tf.Tensor:
    return values if values.dtype == tf.float64 else tf.cast(values, tf.float32)


def _sum_of_squares(values: tf.Tensor) -> tf.Tensor:
    squares = values * values
    return tf.reduce_sum(squares) if values.dtype == tf.float64 else sum_in_lanes(squares)


def _scaled_norm(values: tf.Tensor) -> tf.Tensor:
    if values.dtype == tf.float32:  # by its bits: a cast would take subnormals for zero
        values = decoded(tf.bitcast(values, tf.int32))
    unit = tf.reduce_max(tf.concat([tf.abs(values), tf.zeros([1], tf.float64)], axis=0))
    return tf.norm(tf.math.divide_no_nan(values, unit)) * unit

"""Counts NaN and infinities, inside the step."""

from __future__ import annotations

import tensorflow as tf


def num_nonfinite(values: tf.Tensor) -> tf.Tensor:
    """Returns how many elements of a tensor are NaN or infinite, a float64 scalar.

    Args:
        values: Tensor of any shape, of dtype float16, bfloat16, float32 or float64.
    """
    flags = tf.cast(tf.math.is_finite(values), tf.float64)
    return tf.cast(tf.size(values, tf.int64), tf.float64) - tf.reduce_sum(flags)

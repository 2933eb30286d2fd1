"""Gradients as tensors: IndexedSlices, the loss scale, and the part that a regularizer adds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import tensorflow as tf

from vg_keras.statistics.blocks import traced_once

Gradient: TypeAlias = tf.Tensor | tf.IndexedSlices
"""A gradient as `tf.GradientTape` returns it: IndexedSlices if only some rows are concerned."""


def as_tensor(gradient: Any) -> Gradient:
    """Returns a gradient as a tensor of the current graph; IndexedSlices are returned unchanged.

    A train step may pass the optimizer a `tf.Variable` that accumulates gradients, or a constant
    from outside the graph.
    """
    if isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.convert_to_tensor(gradient)


def dense_parts(gradients: Iterable[Gradient]) -> list[tf.Tensor]:
    """Returns the gradients as dense tensors; of IndexedSlices, the values."""
    return [g.values if isinstance(g, tf.IndexedSlices) else g for g in gradients]


def on_values(function: Callable[[tf.Tensor], tf.Tensor], gradient: Gradient) -> Gradient:
    """Returns the result of a function for a gradient; of IndexedSlices, for the values."""
    if isinstance(gradient, tf.IndexedSlices):
        values = function(gradient.values)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return function(gradient)


def divided(gradient: Gradient, scale: tf.Tensor | None) -> Gradient:
    """Returns a gradient without the loss scale."""
    if scale is None:
        return gradient
    return on_values(lambda values: _quotient(values, scale), gradient)


def _quotient(values: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    found = _dividing(values.dtype, scale.dtype)(values, scale)
    found.set_shape(values.shape)
    return found


@functools.cache
def _dividing(dtype: tf.DType, dtype_of_scale: tf.DType) -> Callable[..., tf.Tensor]:
    # Widen first: a gradient that needs a loss scale would vanish without it in float16.
    wide = dtype if dtype.is_complex or dtype == tf.float64 else tf.float32
    return traced_once(
        lambda values, scale: tf.cast(values, wide) / tf.cast(scale, wide),
        tf.TensorSpec(None, dtype),
        tf.TensorSpec([], dtype_of_scale),
    )


def penalty_gradient(
    regularizer: Callable[[tf.Tensor], tf.Tensor], value: tf.Tensor, by_penalty: tf.Tensor
) -> tf.Tensor:
    """Returns the gradient that a regularizer adds to that of its variable.

    Args:
        regularizer: The regularizer.
        value: The value of the variable that the loss was computed with.
        by_penalty: dL/d(penalty), a scalar: the weight of the penalty in the loss.
    """
    with tf.GradientTape() as tape:
        tape.watch(value)
        penalty = regularizer(value)
    by_penalty = tf.cast(by_penalty, penalty.dtype)
    return tape.gradient(penalty, value, by_penalty, tf.UnconnectedGradients.ZERO)

"""Computes the fraction of saturated outputs of a layer. `activations.py` has the bounds."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vg_keras.activations import Bounds
from vg_keras.statistics.blocks import (
    Blocks,
    blocks_of_one,
    signature_of_blocks,
    traced_once,
)
from vg_keras.statistics.segments import (
    Segments,
    Totals,
    measured,
    num_true,
    padding_of,
    segments_of,
)


def saturated_fraction(outputs: tf.Tensor, bounds: Bounds) -> tf.Tensor:
    """Returns the fraction of outputs beyond the bounds.

    This is the fraction of saturated units, averaged over the examples. NaN counts as not
    saturated.

    Args:
        outputs: A layer's outputs, of any shape and floating-point dtype.
        bounds: The `Activation.saturation` of its activation function.

    Returns:
        float64 scalar from 0 to 1; NaN for an empty tensor.
    """
    limits = _limits([bounds])
    return _measuring_one(outputs.dtype, *_are_any(limits))(outputs, *limits)[0]


def saturated_fractions(blocks: Blocks, bounds: Sequence[Bounds | None]) -> tf.Tensor:
    """Returns the saturated fraction of several layers, float64 `[n]`; 0 without bounds.

    Args:
        blocks: The outputs of `n` layers.
        bounds: The bounds of each layer, or None.
    """
    if not any(bounds):
        return tf.zeros(tf.shape(blocks.sizes), tf.float64)
    limits = _limits(bounds)
    return _measuring(blocks.rows.dtype, *_are_any(limits))(*blocks, *limits)


def _limits(bounds: Sequence[Bounds | None]) -> NDArray[np.float32]:
    """Returns lower and upper bounds `[2, n]`, with NaN, which no value exceeds, for none."""
    nothing = Bounds(math.nan, math.nan)
    both = np.array([nothing if one is None else one for one in bounds], np.float32)
    # An infinite bound means no bound, even for an infinite output.
    return np.where(np.isfinite(both), both, np.float32(math.nan)).T


def _are_any(limits: NDArray[np.float32]) -> list[bool]:
    """Returns whether there is any lower bound, and whether there is any upper bound."""
    return [bool(np.isfinite(of_all).any()) for of_all in limits]


_LIMITS = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.float32)


@functools.cache
def _measuring(dtype: tf.DType, has_lower: bool, has_upper: bool) -> Callable[..., tf.Tensor]:
    def measure(rows: tf.Tensor, sizes: tf.Tensor, *limits: tf.Tensor) -> tf.Tensor:
        return _fractions(Blocks(rows, sizes), limits, (has_lower, has_upper), is_one=False)

    return traced_once(measure, *signature_of_blocks(dtype), *_LIMITS)


@functools.cache
def _measuring_one(dtype: tf.DType, has_lower: bool, has_upper: bool) -> Callable[..., tf.Tensor]:
    def measure(outputs: tf.Tensor, *limits: tf.Tensor) -> tf.Tensor:
        return _fractions(blocks_of_one(outputs), limits, (has_lower, has_upper), is_one=True)

    return traced_once(measure, tf.TensorSpec(None, dtype), *_LIMITS)


def _fractions(
    blocks: Blocks, limits: Sequence[tf.Tensor], has: tuple[bool, bool], is_one: bool
) -> tf.Tensor:
    lower, upper = limits
    has_lower, has_upper = has

    def num_beyond(rows: tf.Tensor, segments: Segments) -> Totals:
        values = tf.cast(rows, tf.float32)
        sides = []
        if has_lower:
            sides.append(values <= segments.spread(lower))
        if has_upper:
            sides.append(values >= segments.spread(upper))
        return Totals((segments.sum(num_true(functools.reduce(operator.or_, sides))),))

    segments = segments_of(blocks, is_one)
    (num,) = measured(num_beyond, [blocks.rows], segments, [tf.TensorSpec([], tf.int64)]).added
    is_padding_beyond = (lower >= 0) | (upper <= 0)
    num -= tf.where(is_padding_beyond, padding_of(blocks), 0)
    return tf.cast(num, tf.float64) / tf.cast(blocks.sizes, tf.float64)

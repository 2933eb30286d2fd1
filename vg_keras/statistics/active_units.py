"""Finds the units of a layer with any nonzero output. Compiles under XLA."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from vg_keras.statistics.blocks import traced_once

MAX_UNITS = 4096
"""Maximum number of units tracked for each layer: the first ones of a wider layer."""


def active_units(outputs: Sequence[tf.Tensor], axis: int) -> tf.Tensor:
    """Returns which units are nonzero on any example.

    NaN counts as active, because it does not mean that a unit is dead.

    Args:
        outputs: The outputs of one layer, all of the same known rank and number of units.
        axis: The axis of the units.

    Returns:
        bool `[MAX_UNITS]`, False beyond the last unit.
    """
    found = [
        _finding(values.dtype, values.shape.rank, axis % values.shape.rank)(values)
        for values in outputs
    ]
    return found[0] if len(found) == 1 else tf.reduce_any(tf.stack(found), axis=0)


@functools.cache
def _finding(dtype: tf.DType, rank: int, axis: int) -> Callable[[tf.Tensor], tf.Tensor]:
    others = [i for i in range(rank) if i != axis]

    def active(values: tf.Tensor) -> tf.Tensor:
        # `not (max <= 0)` would miss NaN: Grappler turns it into `max > 0`, and under XLA the
        # maximum ignores NaN.
        units = tf.reduce_any(tf.not_equal(values, 0), axis=others)[:MAX_UNITS]
        padded = tf.pad(units, [[0, MAX_UNITS - tf.size(units)]])
        return tf.ensure_shape(padded, [MAX_UNITS])

    return traced_once(active, tf.TensorSpec([None] * rank, dtype))

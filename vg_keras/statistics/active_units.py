"""Which units of a layer put out anything at all. Pure tensors; compiles under XLA."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from vg_keras.statistics.blocks import traced_once

MAX_UNITS = 4096
"""Units of a layer of which is kept whether they are active; of a wider layer the first ones."""


def active_units(outputs: Sequence[tf.Tensor], axis: int) -> tf.Tensor:
    """Returns which units are other than zero on any example.

    NaN counts as active: it is no sign of death.

    Args:
        outputs: The outputs of one layer, of one known rank, the same number of units in each.
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
        # `not (max <= 0)` would forget NaN: Grappler makes `> 0` of that, and the maximum passes
        # over NaN under XLA.
        units = tf.reduce_any(tf.not_equal(values, 0), axis=others)[:MAX_UNITS]
        padded = tf.pad(units, [[0, MAX_UNITS - tf.size(units)]])
        return tf.ensure_shape(padded, [MAX_UNITS])

    return traced_once(active, tf.TensorSpec([None] * rank, dtype))

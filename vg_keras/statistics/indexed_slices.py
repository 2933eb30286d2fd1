"""Sketches a sparse gradient without making it dense.

The gradient of an embedding is a `tf.IndexedSlices` with one row for each token of the batch. A
token that occurs twice has two rows, whose sum is its gradient; an index that does not occur has a
gradient of zero. Compiles under XLA, unlike `tf.unique`.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from vg_keras.sketch import buckets
from vg_keras.sketch.sketch import AGGREGATES
from vg_keras.statistics.blocks import traced_once
from vg_keras.statistics.tensor_sketch import TensorSketch, sketch_large


def sketch_slices(slices: tf.IndexedSlices, size: int) -> TensorSketch:
    """Returns the sketch of the dense tensor that the slices represent.

    Args:
        slices: Values `[n, ...]` at indices `[n]`, in any order and with repetitions.
        size: Number of elements of the dense tensor.

    Returns:
        The same as `sketch` of the dense tensor, at a cost that depends only on the slices.
    """
    measure = _sketching(slices.values.dtype, slices.indices.dtype)
    return TensorSketch(*measure(slices.values, slices.indices, tf.constant(size, tf.int64)))


@functools.cache
def _sketching(dtype: tf.DType, dtype_of_indices: tf.DType) -> Callable[..., TensorSketch]:
    def sketched(values: tf.Tensor, indices: tf.Tensor, size: tf.Tensor) -> TensorSketch:
        row_size = tf.size(values, tf.int64) // tf.maximum(tf.size(indices, tf.int64), 1)
        num_rows = size // tf.maximum(row_size, 1)
        rows = add_repeated_rows(tf.IndexedSlices(values, indices), num_rows)
        counts, aggregates = sketch_large(rows)
        absent = size - tf.size(rows, tf.int64)
        return TensorSketch(
            counts[0] + absent * tf.one_hot(buckets.ZERO, buckets.NUM_BUCKETS, dtype=tf.int64),
            _with_zeros(aggregates[0], tf.cast(absent, tf.float64)),
        )

    return traced_once(
        sketched,
        tf.TensorSpec(None, dtype),
        tf.TensorSpec([None], dtype_of_indices),
        tf.TensorSpec([], tf.int64),
    )


def add_repeated_rows(slices: tf.IndexedSlices, num_rows: tf.Tensor) -> tf.Tensor:
    """Returns the sum of the rows of each distinct index.

    Args:
        slices: Values `[n, ...]` at indices `[n]`, in any order and with repetitions.
        num_rows: Number of rows of the dense tensor, an integer.

    Returns:
        Tensor `[min(n, num_rows), ...]` of the dtype of the values. Rows beyond the number of
        distinct indices are zero.
    """
    order = tf.argsort(slices.indices)
    indices = tf.gather(slices.indices, order)
    is_new = tf.cast(tf.not_equal(indices[1:], indices[:-1]), tf.int32)
    rank = tf.concat([tf.zeros_like(indices[:1], tf.int32), tf.cumsum(is_new)], axis=0)
    num_segments = tf.minimum(tf.size(indices, tf.int64), tf.cast(num_rows, tf.int64))
    return tf.math.unsorted_segment_sum(tf.gather(slices.values, order), rank, num_segments)


def _with_zeros(aggregates: tf.Tensor, zeros: tf.Tensor) -> tf.Tensor:
    columns = dict(zip(AGGREGATES, tf.unstack(aggregates), strict=True))
    none = tf.equal(zeros, 0)
    # Without any finite element so far, min and max are NaN; a zero is a finite element.
    for name, extreme in (("finite_min", tf.minimum), ("finite_max", tf.maximum)):
        known = columns[name]
        with_zero = tf.where(tf.math.is_nan(known), tf.zeros_like(known), extreme(known, 0.0))
        columns[name] = tf.where(none, known, with_zero)
    columns["zeros"] += zeros
    return tf.stack(list(columns.values()))

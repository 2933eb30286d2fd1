"""Reduces the rows of several tensors to one result for each tensor, in chunks.

A matrix is processed one chunk of rows at a time: reduced along each row, and then over the rows of
each tensor. So intermediate results take a bounded amount of memory, however large the tensors are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from vg_keras.statistics.blocks import ROW, Blocks, num_rows_at_once, num_rows_of

_LANES = 16


class Totals(NamedTuple):
    """The results of some rows, for each tensor.

    Attributes:
        added: Tensors `[n, ...]` that are summed over the rows of a tensor.
        extremes: Empty, or minimum and maximum, `[n]` each.
    """

    added: tuple[tf.Tensor, ...]
    extremes: tuple[tf.Tensor, ...] = ()

    def with_those_of(self, other: Totals) -> Totals:
        """Returns the totals of both sets of rows."""
        pairs = zip((tf.minimum, tf.maximum), self.extremes, other.extremes, strict=False)
        return Totals(
            tuple(a + b for a, b in zip(self.added, other.added, strict=True)),
            tuple(outermost(a, b) for outermost, a, b in pairs),
        )


class Segments:
    """The assignment of rows to tensors.

    Args:
        num: Number of tensors.
        owner: int64 `[r]`, the index of the tensor of each row; None if there is one tensor.
        valid: int64 `[r]`, the number of elements of the tensor from this row on; zero or negative
            for a row of padding.
    """

    def __init__(self, num: tf.Tensor | int, owner: tf.Tensor | None, valid: tf.Tensor) -> None:
        self.num = num
        self.valid = valid
        self._owner = owner

    def part(self, start: tf.Tensor, length: tf.Tensor | int) -> Segments:
        """Returns the segments of a range of rows."""
        owner = None if self._owner is None else tf.slice(self._owner, [start], [length])
        return Segments(self.num, owner, tf.slice(self.valid, [start], [length]))

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Sums over the rows of each tensor: `[r, ...]` becomes `[n, ...]`."""
        if self._owner is None:
            return tf.reduce_sum(values, axis=0, keepdims=True)
        return tf.math.unsorted_segment_sum(values, self._owner, self.num)

    def extremes(self, least: tf.Tensor, most: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the minimum and maximum of each tensor: `[r]` becomes `[n]`."""
        if self._owner is None:
            return (
                tf.reduce_min(least, axis=0, keepdims=True),
                tf.reduce_max(most, axis=0, keepdims=True),
            )
        return (
            tf.math.unsorted_segment_min(least, self._owner, self.num),
            tf.math.unsorted_segment_max(most, self._owner, self.num),
        )

    def spread(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the value of the tensor of each row: `[n]` becomes `[r, 1]` or `[1, 1]`."""
        if self._owner is not None:
            values = tf.gather(values, self._owner)
        return values[:, tf.newaxis]

    def numbered(self, indices: tf.Tensor, stride: int) -> tf.Tensor:
        """Adds `stride` times the index of the tensor to int32 `[r, 128]`."""
        if self._owner is None:
            return indices
        return indices + tf.cast(self._owner, tf.int32)[:, tf.newaxis] * stride


def segments_of(blocks: Blocks, is_one: bool) -> Segments:
    """Returns the segments of blocks. Rows after the last tensor count as its padding.

    Args:
        blocks: The tensors.
        is_one: Whether there is exactly one tensor.
    """
    rows = tf.range(tf.shape(blocks.rows, tf.int64)[0])
    if is_one:
        return Segments(1, None, blocks.sizes - rows * ROW)
    num_rows = num_rows_of(blocks.sizes)
    owner = tf.searchsorted(tf.cumsum(num_rows)[:-1], rows, side="right")
    behind = blocks.sizes + tf.cumsum(num_rows, exclusive=True) * ROW
    return Segments(tf.size(num_rows), owner, tf.gather(behind, owner) - rows * ROW)


def padding_of(blocks: Blocks) -> tf.Tensor:
    """Returns the number of padding zeros of each tensor, int64 `[n]`."""
    ends = tf.cumsum(num_rows_of(blocks.sizes))
    ends = tf.concat([[0], ends[:-1], tf.shape(blocks.rows, tf.int64)[:1]], axis=0)
    return (ends[1:] - ends[:-1]) * ROW - blocks.sizes


def measured(
    measure: Callable[..., Totals],
    matrices: Sequence[tf.Tensor],
    segments: Segments,
    added: Sequence[tf.TensorSpec],
    dtype_of_extremes: tf.DType | None = None,
) -> Totals:
    """Measures rows in chunks.

    Args:
        measure: Called with a chunk of rows of each matrix and their `Segments`.
        matrices: `[r, 128]` each.
        segments: The assignment of rows to tensors.
        added: The specs of `Totals.added` as `measure` returns them, without the first axis.
        dtype_of_extremes: The dtype of `Totals.extremes`, if `measure` returns any.
    """
    num_rows = tf.shape(matrices[0])[0]

    def add_chunk(start: tf.Tensor, totals: Totals) -> tuple[tf.Tensor, Totals]:
        length = num_rows_at_once(tf.shape(matrices[0])[0])  # inside the loop: XLA needs it static
        parts = [tf.slice(rows, [start, 0], [length, ROW]) for rows in matrices]
        found = measure(*parts, segments.part(start, length))
        return start + length, totals.with_those_of(found)

    nothing = Totals(tuple(tf.zeros([segments.num, *s.shape], s.dtype) for s in added))
    if dtype_of_extremes is not None:
        infinity = tf.fill([segments.num], tf.constant(float("inf"), dtype_of_extremes))
        nothing = nothing._replace(extremes=(infinity, -infinity))
    return tf.while_loop(
        lambda start, _: start < num_rows,
        add_chunk,
        (tf.zeros_like(num_rows), nothing),
        parallel_iterations=1,
    )[1]


def sums_of_rows(rows: tf.Tensor) -> tf.Tensor:
    """Sums float32 or float64 `[r, 128]` along its rows, to float64 `[r]`.

    float32 numbers are summed 16 at a time, accurate to 1e-6, and these sums are added in float64.
    float64 numbers are first summed in pairs, which reduces rounding errors.
    """
    if rows.dtype == tf.float64:
        return tf.reduce_sum(tf.reduce_sum(tf.reshape(rows, [-1, ROW // 2, 2]), axis=2), axis=1)
    lanes = tf.reduce_sum(tf.reshape(rows, [-1, _LANES, ROW // _LANES]), axis=1)
    return tf.reduce_sum(tf.cast(lanes, tf.float64), axis=1)


def extremes_where(condition: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the minimum and maximum of the elements of each row that meet a condition, `[r]`.

    If none does, they are infinity and negative infinity.
    """
    infinity = tf.constant(float("inf"), rows.dtype)
    return (
        tf.reduce_min(tf.where(condition, rows, infinity), axis=1),
        tf.reduce_max(tf.where(condition, rows, -infinity), axis=1),
    )


def max_abs(
    magnitudes: Callable[..., tf.Tensor], matrices: Sequence[tf.Tensor], segments: Segments
) -> tf.Tensor:
    """Returns the maximum absolute value of each tensor, float64 `[n]`.

    Args:
        magnitudes: Called with a chunk of rows of each matrix. Returns absolute values `[r, 128]`.
        matrices: float64 `[r, 128]` each.
        segments: The assignment of rows to tensors.
    """

    def of_chunk(*rows_and_segments: Any) -> Totals:
        *rows, segments = rows_and_segments
        found = magnitudes(*rows)
        least, most = tf.reduce_min(found, axis=1), tf.reduce_max(found, axis=1)
        return Totals((), segments.extremes(least, most))

    return measured(of_chunk, matrices, segments, [], tf.float64).extremes[1]


def num_true(condition: tf.Tensor) -> tf.Tensor:
    """Returns the number of true elements of each row, int64 `[r]`."""
    return tf.cast(tf.reduce_sum(tf.cast(condition, tf.int32), axis=1), tf.int64)


def last_rows(blocks: Blocks) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the last row of each tensor, `[n, 128]`, and which elements are not padding."""
    num_rows = num_rows_of(blocks.sizes)
    num_left = blocks.sizes - tf.maximum(num_rows - 1, 0) * ROW
    is_element = tf.range(ROW, dtype=tf.int64) < num_left[:, tf.newaxis]
    return tf.gather(blocks.rows, tf.maximum(tf.cumsum(num_rows) - 1, 0)), is_element


def without_padding(segments: Segments) -> tf.Tensor:
    """Returns which elements are not padding, bool `[r, 128]`."""
    return tf.range(ROW, dtype=tf.int64) < segments.valid[:, tf.newaxis]

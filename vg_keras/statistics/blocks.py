"""Tensors of any shape as rows of one matrix, so that many are measured at once.

Each operation in a train step costs time before the first step runs: it is created, optimized and,
under XLA, compiled. So a hundred variables are not measured by a hundred copies of the same
operations. One call of a function that is traced once cuts a tensor into rows of 256 elements. The
rows of many tensors are stacked, reduced along each row, and then reduced again over the rows of
each tensor. That is done in chunks, so that what is computed on the way takes a bounded amount of
memory, small enough for the cache of a processor.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

ROW = 256
"""Elements in a row."""

CHUNK = 4096
"""Rows that are measured at once, 2**20 elements."""

_LANES = 16


class Blocks(NamedTuple):
    """The elements of `n` tensors in rows.

    Attributes:
        rows: float32 or float64 `[r, 256]`. Each tensor begins a new row and takes at least one;
            the rest of its last row is filled with zeros.
        sizes: int64 `[n]`, the number of elements of each tensor.
    """

    rows: tf.Tensor
    sizes: tf.Tensor


def traced_once(function: Callable[..., Any], *signature: tf.TensorSpec) -> Callable[..., Any]:
    """Returns a `tf.function` that is traced once and called from then on.

    It is never inlined: copied into the graph for each of a hundred tensors, it would take a graph
    seconds longer to be optimized. (XLA inlines all the same.)

    Args:
        function: Takes tensors.
        signature: What they are.
    """
    return tf.function(
        function,
        input_signature=signature,
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def cut(*tensors: tf.Tensor) -> list[Blocks]:
    """Returns each of some tensors in rows.

    Args:
        tensors: Of one shape and one floating dtype.
    """
    dtype, size = tensors[0].dtype, tensors[0].shape.num_elements()
    if size and size % ROW == 0 and dtype in (tf.float32, tf.float64):
        sizes = tf.constant([size], tf.int64)
        return [Blocks(tf.reshape(values, [-1, ROW]), sizes) for values in tensors]
    *rows, sizes = _cutting(dtype, len(tensors))(*tensors)
    return [Blocks(of_one, sizes) for of_one in rows]


@functools.cache
def _cutting(dtype: tf.DType, num: int) -> Callable[..., tuple[tf.Tensor, ...]]:
    def rows_and_size(*tensors: tf.Tensor) -> tuple[tf.Tensor, ...]:
        found = [cut_here(values) for values in tensors]
        return *(blocks.rows for blocks in found), found[0].sizes

    return traced_once(rows_and_size, *[tf.TensorSpec(None, dtype)] * num)


def cut_here(values: tf.Tensor) -> Blocks:
    """Returns one tensor in rows, within a function that is traced once."""
    if values.dtype != tf.float64:
        values = tf.cast(values, tf.float32)
    size = tf.size(values, tf.int64)
    padding = _num_rows(size) * ROW - size
    rows = tf.pad(tf.reshape(values, [-1]), [[0, padding]])
    return Blocks(tf.reshape(rows, [-1, ROW]), size[tf.newaxis])


def stacked(parts: Sequence[Blocks]) -> Blocks:
    """Returns the blocks of all tensors, which are of one dtype, in their order."""
    if len(parts) == 1:
        return parts[0]
    return Blocks(*(tf.concat(column, axis=0) for column in zip(*parts, strict=True)))


def signature_of_blocks(dtype: tf.DType) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    """Returns the signature of blocks of any size."""
    return tf.TensorSpec([None, ROW], dtype), tf.TensorSpec([None], tf.int64)


MAX_ELEMENTS = 1 << 24
"""Elements of the tensors that are measured together: so much is copied into one matrix."""

_LARGE = 1 << 20
"""Elements from which on copying a tensor costs more than measuring it by itself."""

_USUAL_BATCH = 128
"""Examples that are assumed to tell how large a tensor is before its batch is known."""

Columns = tuple[tf.Tensor, ...]


def measured_together(
    tensors: Sequence[tuple[tf.Tensor, ...]],
    measure_many: Callable[[Sequence[int], Sequence[Blocks]], Columns],
    measure_one: Callable[[int], Columns],
) -> Columns:
    """Measures many tensors in few groups of neighbors.

    Args:
        tensors: For each thing that is measured one or several tensors of one shape and dtype.
        measure_many: Takes the numbers of the things in a group and for each of their tensors the
            blocks of all, and returns tensors `[things, ...]`.
        measure_one: Takes the number of one thing that is large, and returns tensors `[1, ...]`.

    Returns:
        The tensors `[n, ...]` of all things, in their order.
    """
    order: list[int] = []
    found: list[Columns] = []
    for group in _groups([of_one[0] for of_one in tensors]):
        order += group
        if len(group) == 1 and _is_large(tensors[group[0]][0]):
            found.append(measure_one(group[0]))
        else:
            parts = zip(*(cut(*tensors[number]) for number in group), strict=True)
            found.append(measure_many(group, [stacked(of_all) for of_all in parts]))
    columns = tuple(tf.concat(column, axis=0) for column in zip(*found, strict=True))
    if order == sorted(order):
        return columns
    places = np.argsort(order)
    return tuple(tf.gather(column, places) for column in columns)


def _groups(tensors: Sequence[tf.Tensor]) -> list[list[int]]:
    """Splits tensors into groups of one width, none of them too large."""
    found: list[list[int]] = []
    for is_wide in (False, True):
        elements = MAX_ELEMENTS + 1
        for number, values in enumerate(tensors):
            if (values.dtype == tf.float64) is not is_wide:
                continue
            size = MAX_ELEMENTS if _is_large(values) else _expected_size(values)
            if elements + size > MAX_ELEMENTS:
                found.append([])
                elements = 0
            found[-1].append(number)
            elements += size
    return found


def _is_large(values: tf.Tensor) -> bool:
    size = values.shape.num_elements()
    if size is None:  # known too vaguely to do without copying for less
        return _expected_size(values) >= MAX_ELEMENTS
    return size >= _LARGE


def _expected_size(values: tf.Tensor) -> int:
    if values.shape.rank is None:
        return 0
    return math.prod(_USUAL_BATCH if size is None else size for size in values.shape)


class Totals(NamedTuple):
    """What was measured of some rows, by tensor.

    Attributes:
        added: Tensors `[n, ...]` that are summed over the rows of a tensor.
        least: Tensors `[n]` of which the least counts.
        most: Tensors `[n]` of which the greatest counts.
    """

    added: tuple[tf.Tensor, ...]
    least: tuple[tf.Tensor, ...] = ()
    most: tuple[tf.Tensor, ...] = ()

    def with_those_of(self, other: Totals) -> Totals:
        """Returns the totals of both parts."""
        return Totals(
            tuple(a + b for a, b in zip(self.added, other.added, strict=True)),
            tuple(tf.minimum(a, b) for a, b in zip(self.least, other.least, strict=True)),
            tuple(tf.maximum(a, b) for a, b in zip(self.most, other.most, strict=True)),
        )


class Segments:
    """Tells which rows belong to which tensor.

    Args:
        num: Number of tensors.
        owner: int64 `[r]`, the number of the tensor of each row; None where there is one tensor.
        valid: int64 `[r]`, how many elements of a row are not padding.
    """

    def __init__(self, num: tf.Tensor | int, owner: tf.Tensor | None, valid: tf.Tensor) -> None:
        self.num = num
        self.valid = valid
        self._owner = owner

    def part(self, start: tf.Tensor, length: tf.Tensor | int) -> Segments:
        """Returns those of some of the rows."""
        owner = None if self._owner is None else tf.slice(self._owner, [start], [length])
        return Segments(self.num, owner, tf.slice(self.valid, [start], [length]))

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Adds the rows of each tensor: `[r, ...]` becomes `[n, ...]`."""
        if self._owner is None:
            return tf.reduce_sum(values, axis=0, keepdims=True)
        return tf.math.unsorted_segment_sum(values, self._owner, self.num)

    def min(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the least value of each tensor: `[r]` becomes `[n]`."""
        if self._owner is None:
            return tf.reduce_min(values, axis=0, keepdims=True)
        return tf.math.unsorted_segment_min(values, self._owner, self.num)

    def max(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the greatest value of each tensor: `[r]` becomes `[n]`."""
        if self._owner is None:
            return tf.reduce_max(values, axis=0, keepdims=True)
        return tf.math.unsorted_segment_max(values, self._owner, self.num)

    def spread(self, values: tf.Tensor) -> tf.Tensor:
        """Returns for each row the value of its tensor: `[n]` becomes `[r, 1]` or `[1, 1]`."""
        if self._owner is not None:
            values = tf.gather(values, self._owner)
        return values[:, tf.newaxis]

    def numbered(self, indices: tf.Tensor, stride: int) -> tf.Tensor:
        """Adds `stride` times the number of the tensor to int32 `[r, 256]`."""
        if self._owner is None:
            return indices
        return indices + tf.cast(self._owner, tf.int32)[:, tf.newaxis] * stride


def segments_of(blocks: Blocks, is_one: bool) -> Segments:
    """Returns which rows belong to which tensor.

    Args:
        blocks: The tensors.
        is_one: Whether there is exactly one of them.
    """
    ends = tf.cumsum(_num_rows(blocks.sizes))
    rows = tf.range(tf.shape(blocks.rows, tf.int64)[0])
    owner = tf.zeros_like(rows) if is_one else tf.searchsorted(ends, rows, side="right")
    # Negative numbers count from the first element of the tensor after it.
    behind = tf.gather(ends * ROW - padding_of(blocks), owner) - rows * ROW
    valid = tf.minimum(behind, ROW)
    return Segments(1 if is_one else tf.size(ends), None if is_one else owner, valid)


def padding_of(blocks: Blocks) -> tf.Tensor:
    """Returns the number of zeros that each tensor's last row was filled with, int64 `[n]`."""
    return _num_rows(blocks.sizes) * ROW - blocks.sizes


def _num_rows(sizes: tf.Tensor) -> tf.Tensor:
    return tf.maximum((sizes + ROW - 1) // ROW, 1)


def measured(
    measure: Callable[..., Totals], matrices: Sequence[tf.Tensor], segments: Segments
) -> Totals:
    """Measures rows in chunks.

    Args:
        measure: Takes some rows of each matrix and the `Segments` of those.
        matrices: `[r, 256]` each.
        segments: Which rows belong to which tensor.
    """
    num_rows = tf.shape(matrices[0])[0]
    first = (num_rows - 1) % _chunk(matrices) + 1

    def measured_part(start: tf.Tensor, length: tf.Tensor) -> Totals:
        parts = [tf.slice(rows, [start, 0], [length, ROW]) for rows in matrices]
        return measure(*parts, segments.part(start, length))

    def add_chunk(start: tf.Tensor, totals: Totals) -> tuple[tf.Tensor, Totals]:
        length = _chunk(matrices)  # in the loop, where XLA needs to know it
        return start + length, totals.with_those_of(measured_part(start, length))

    return tf.while_loop(
        lambda start, _: start < num_rows,
        add_chunk,
        (first, measured_part(tf.zeros_like(first), first)),
        parallel_iterations=1,
    )[1]


def _chunk(matrices: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.minimum(tf.shape(matrices[0])[0], CHUNK)


def sums_of_rows(rows: tf.Tensor) -> tf.Tensor:
    """Adds float32 or float64 `[r, 256]` along its rows, in any mode, to float64 `[r]`.

    float32 is added 16 numbers at a time, right to 1e-6, and their sums in float64; float64 in
    pairs, so that a sum has gone through 8 roundings and not 256.
    """
    if rows.dtype == tf.float64:
        while rows.shape[1] > 1:
            rows = rows[:, ::2] + rows[:, 1::2]
        return rows[:, 0]
    lanes = tf.reduce_sum(tf.reshape(rows, [-1, _LANES, ROW // _LANES]), axis=1)
    return tf.reduce_sum(tf.cast(lanes, tf.float64), axis=1)


def num_true(condition: tf.Tensor) -> tf.Tensor:
    """Returns how many of each row are true, int64 `[r]`."""
    return tf.cast(tf.reduce_sum(tf.cast(condition, tf.int32), axis=1), tf.int64)


def last_rows(blocks: Blocks) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns each tensor's last row, `[n, 256]`, and which of its elements are not padding."""
    num_padded = padding_of(blocks)[:, tf.newaxis]
    is_element = tf.range(ROW, dtype=tf.int64) < ROW - num_padded
    return tf.gather(blocks.rows, tf.cumsum(_num_rows(blocks.sizes)) - 1), is_element


def without_padding(rows: tf.Tensor, segments: Segments) -> tf.Tensor:
    """Returns which elements of some rows are not padding, bool `[r, 256]`."""
    return tf.range(ROW, dtype=tf.int64) < segments.valid[:, tf.newaxis]

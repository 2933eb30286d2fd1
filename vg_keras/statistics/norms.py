"""L2 norms of many tensors at once, cheaper than their sketches. Compiles under XLA."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from vg_keras.statistics.blocks import (
    Blocks,
    blocks_of_one,
    measured_together,
    signature_of_blocks,
    traced_once,
)
from vg_keras.statistics.segments import (
    Segments,
    Totals,
    max_abs,
    measured,
    segments_of,
    sums_of_rows,
)
from vg_keras.statistics.tensor_sketch import exact_numbers

_LEAST, _MOST = 1e-25, 1e30
"""Between these, a float32 sum of squares has lost nothing to underflow or overflow."""

_NUMBER = tf.TensorSpec([], tf.float64)


def norms(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the L2 norm of each tensor, to a relative error of 1e-6 at any scale.

    Args:
        tensors: At least one tensor of any shape and floating-point dtype.

    Returns:
        float64 `[n]`; 0 for an empty tensor, NaN or infinity if an element is not finite.
    """
    return _norms([(values,) for values in tensors])[0]


def update_norms(
    before: Sequence[tf.Tensor], after: Sequence[tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the L2 norms of updates, and of the tensors before the update, like `norms`.

    Args:
        before: At least one tensor of any shape and floating-point dtype.
        after: The same tensors after the update.

    Returns:
        The norms of the differences and the norms of the tensors before, each float64 `[n]`.
    """
    updates, weights = _norms(list(zip(before, after, strict=True)))
    return updates, weights


def _norms(things: Sequence[tuple[tf.Tensor, ...]]) -> tuple[tf.Tensor, ...]:
    """Returns the norms of tensors, or of pairs of a tensor before and after an update."""
    return measured_together(
        things,
        lambda _, parts: _norming(parts[0].rows.dtype, len(parts))(
            parts[0].sizes, *(blocks.rows for blocks in parts)
        ),
        lambda number: _norming_one(things[number][0].dtype, len(things[number]))(*things[number]),
    )


@functools.cache
def _norming(dtype: tf.DType, num: int) -> Callable[..., tuple[tf.Tensor, ...]]:
    return traced_once(
        lambda sizes, *rows: _norms_of_rows(sizes, rows, is_one=False), *_signature(dtype, num)
    )


@functools.cache
def _norming_one(dtype: tf.DType, num: int) -> Callable[..., tuple[tf.Tensor, ...]]:
    def norms_of_one(*tensors: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parts = [blocks_of_one(values) for values in tensors]
        return _norms_of_rows(parts[0].sizes, [p.rows for p in parts], is_one=True)

    return traced_once(norms_of_one, *[tf.TensorSpec(None, dtype)] * num)


@functools.cache
def _careful_norming(dtype: tf.DType, num: int) -> Callable[..., tuple[tf.Tensor, ...]]:
    # A function call, because it rarely runs: TensorFlow instantiates it only when first called.
    return traced_once(
        lambda sizes, *rows: _careful_norms(rows, _segments(sizes, rows, is_one=False)),
        *_signature(dtype, num),
    )


def _signature(dtype: tf.DType, num: int) -> tuple[tf.TensorSpec, ...]:
    matrix, sizes = signature_of_blocks(dtype)
    return sizes, *[matrix] * num


def _segments(sizes: tf.Tensor, matrices: Sequence[tf.Tensor], is_one: bool) -> Segments:
    return segments_of(Blocks(matrices[0], sizes), is_one)


def _norms_of_rows(
    sizes: tf.Tensor, matrices: Sequence[tf.Tensor], is_one: bool
) -> tuple[tf.Tensor, ...]:
    """Returns the norms of the rows of one matrix, or of an update and of the matrix before it."""
    segments = _segments(sizes, matrices, is_one)
    squares = _squares(matrices, segments, lambda _, values, __: values)
    is_usual = tf.reduce_all([(total > _LEAST) & (total < _MOST) for total in squares])
    careful = _careful_norming(matrices[0].dtype, len(matrices))
    return tf.cond(
        is_usual,
        lambda: tuple(map(tf.sqrt, squares)),
        lambda: tuple(careful(sizes, *matrices)),
    )


def _careful_norms(matrices: Sequence[tf.Tensor], segments: Segments) -> tuple[tf.Tensor, ...]:
    """Returns the norms of numbers at any scale, from 1e-45 to 1e308."""
    if matrices[0].dtype == tf.float32:  # the squares are within the range of float64
        squares = _squares(matrices, segments, lambda _, values, __: exact_numbers(values))
        return tuple(map(tf.sqrt, squares))
    units = [
        max_abs(lambda *rows, i=number: tf.abs(_numbers(rows)[i]), matrices, segments)
        for number in range(len(matrices))
    ]

    def scaled(number: int, values: tf.Tensor, of_chunk: Segments) -> tf.Tensor:
        return tf.math.divide_no_nan(values, of_chunk.spread(units[number]))

    squares = _squares(matrices, segments, scaled)
    return tuple(tf.sqrt(total) * unit for total, unit in zip(squares, units, strict=True))


def _squares(
    matrices: Sequence[tf.Tensor],
    segments: Segments,
    prepared: Callable[[int, tf.Tensor, Segments], tf.Tensor],
) -> tuple[tf.Tensor, ...]:
    """Returns the sums of squares of the numbers, each transformed by `prepared`, float64 `[n]`."""

    def of_chunk(*rows_and_segments: Any) -> Totals:
        *rows, segments = rows_and_segments
        numbers = [prepared(i, values, segments) for i, values in enumerate(_numbers(rows))]
        return Totals(tuple(segments.sum(sums_of_rows(values * values)) for values in numbers))

    return measured(of_chunk, matrices, segments, [_NUMBER] * len(matrices)).added


def _numbers(rows: Sequence[tf.Tensor]) -> tuple[tf.Tensor, ...]:
    """Returns the operands of the norms: the matrix, or the update and the matrix before it."""
    if len(rows) == 1:
        return tuple(rows)
    before, after = rows
    return after - before, before

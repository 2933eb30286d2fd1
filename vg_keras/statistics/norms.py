"""L2 norms of several tensors at once, without the counts of a sketch. Compiles under XLA."""

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
    largest,
    measured,
    segments_of,
    sums_of_rows,
)
from vg_keras.statistics.tensor_sketch import exact_numbers

_LEAST, _MOST = 1e-25, 1e30
"""Between these a float32 sum of squares has lost nothing to the ends of its range."""

_NUMBER = tf.TensorSpec([], tf.float64)


def norms(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the L2 norm of each tensor, right to 1e-6 relative, at any scale.

    Args:
        tensors: At least one tensor of any shape, of a floating dtype.

    Returns:
        float64 `[n]`; 0 for an empty tensor, NaN or infinity where an element is not finite.
    """
    return _norms([(values,) for values in tensors])[0]


def update_norms(
    before: Sequence[tf.Tensor], after: Sequence[tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the L2 norms of updates and of what they were made to, each as `norms` does.

    Args:
        before: At least one tensor of any shape, of a floating dtype.
        after: The same after the update.

    Returns:
        The norm of each difference and of each tensor before, float64 `[n]` both.
    """
    updates, weights = _norms(list(zip(before, after, strict=True)))
    return updates, weights


def _norms(things: Sequence[tuple[tf.Tensor, ...]]) -> tuple[tf.Tensor, ...]:
    """Measures tensors, or pairs of a tensor before and after an update."""
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
    # Seldom run, so it is called: TensorFlow prepares what is called when it first is.
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
    """Returns the norms of the numbers in a matrix, or of an update and of what it was made to."""
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
    """Returns norms at any scale, from 1e-45 to 1e308."""
    if matrices[0].dtype == tf.float32:  # the squares are within the range of float64
        squares = _squares(matrices, segments, lambda _, values, __: exact_numbers(values))
        return tuple(map(tf.sqrt, squares))
    units = [
        largest(lambda *rows, i=number: tf.abs(_numbers(rows)[i]), matrices, segments)
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
    """Returns the sums of the squares of what is made of each of the numbers, float64 `[n]`."""

    def of_chunk(*rows_and_segments: Any) -> Totals:
        *rows, segments = rows_and_segments
        numbers = [prepared(i, values, segments) for i, values in enumerate(_numbers(rows))]
        return Totals(tuple(segments.sum(sums_of_rows(values * values)) for values in numbers))

    return measured(of_chunk, matrices, segments, [_NUMBER] * len(matrices)).added


def _numbers(rows: Sequence[tf.Tensor]) -> tuple[tf.Tensor, ...]:
    """Returns what norms are taken of: a matrix itself, or an update and the matrix before it."""
    if len(rows) == 1:
        return tuple(rows)
    before, after = rows
    return after - before, before

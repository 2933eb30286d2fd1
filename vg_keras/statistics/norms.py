"""L2 norms of several tensors at once, without the counts of a sketch. Compiles under XLA."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from vg_keras.statistics.blocks import (
    Blocks,
    Segments,
    Totals,
    cut_here,
    measured,
    measured_together,
    segments_of,
    signature_of_blocks,
    sums_of_rows,
    traced_once,
)
from vg_keras.statistics.tensor_sketch import decoded, exact_numbers, magnitudes_of

_LEAST, _MOST = 1e-25, 1e30
"""Between these a float32 sum of squares has lost nothing to the ends of its range."""


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
    matrix, sizes = signature_of_blocks(dtype)
    return traced_once(
        lambda sizes, *matrices: _norms_of_rows(
            matrices, segments_of(Blocks(matrices[0], sizes), is_one=False)
        ),
        sizes,
        *[matrix] * num,
    )


@functools.cache
def _norming_one(dtype: tf.DType, num: int) -> Callable[..., tuple[tf.Tensor, ...]]:
    def norms_of_one(*tensors: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parts = [cut_here(values) for values in tensors]
        return _norms_of_rows([p.rows for p in parts], segments_of(parts[0], is_one=True))

    return traced_once(norms_of_one, *[tf.TensorSpec(None, dtype)] * num)


def _norms_of_rows(matrices: Sequence[tf.Tensor], segments: Segments) -> tuple[tf.Tensor, ...]:
    squares = measured(_squares, matrices, segments).added
    is_usual = [(total > _LEAST) & (total < _MOST) for total in squares]
    return tf.cond(
        tf.reduce_all(is_usual),
        lambda: tuple(map(tf.sqrt, squares)),
        lambda: _careful_norms(matrices, segments, squares, is_usual),
    )


def _measured_numbers(*rows: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns what the norms are taken of: a matrix itself, or an update and the matrix before."""
    if len(rows) == 1:
        return rows
    before, after = rows
    return after - before, before


def _squares(*rows_and_segments: Any) -> Totals:
    *rows, segments = rows_and_segments
    numbers = _measured_numbers(*rows)
    return Totals(tuple(segments.sum(sums_of_rows(values * values)) for values in numbers))


def _careful_norms(
    matrices: Sequence[tf.Tensor],
    segments: Segments,
    squares: Sequence[tf.Tensor],
    is_usual: Sequence[tf.Tensor],
) -> tuple[tf.Tensor, ...]:
    """Returns norms at any scale, from 1e-45 to 1e308."""
    units = measured(_largest_magnitudes, matrices, segments).most
    units = tuple(unit if unit.dtype == tf.float64 else decoded(unit) for unit in units)

    def scaled_squares(*rows_and_segments: Any) -> Totals:
        *rows, segments = rows_and_segments
        numbers = map(exact_numbers, _measured_numbers(*rows))
        scaled = [
            tf.math.divide_no_nan(values, segments.spread(unit))
            for values, unit in zip(numbers, units, strict=True)
        ]
        return Totals(tuple(segments.sum(sums_of_rows(values * values)) for values in scaled))

    def scaled_norms() -> tuple[tf.Tensor, ...]:
        found = measured(scaled_squares, matrices, segments).added
        return tuple(tf.sqrt(total) * unit for total, unit in zip(found, units, strict=True))

    # A tensor of zeros is usual enough, as a bias in the first step.
    is_known = [known | tf.equal(unit, 0) for known, unit in zip(is_usual, units, strict=True)]
    return tf.cond(tf.reduce_all(is_known), lambda: tuple(map(tf.sqrt, squares)), scaled_norms)


def _largest_magnitudes(*rows_and_segments: Any) -> Totals:
    """Finds the largest magnitude, of float32 as its bits, which tell subnormals from zero."""
    *rows, segments = rows_and_segments
    magnitudes = map(magnitudes_of, _measured_numbers(*rows))
    return Totals((), (), tuple(segments.max(tf.reduce_max(m, axis=1)) for m in magnitudes))

"""Packs tensors of any shape into the rows of one matrix, so that many are measured at once.

Each operation in a train step costs time before the first step runs: it is created, optimized and,
under XLA, compiled. A hundred copies of the same operations for a hundred variables would be slow
to start. Instead, each tensor is flattened and zero-padded to whole rows of 128 elements, the rows
of many tensors form one matrix, and a function that is traced once measures that matrix; see
`segments.py`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

ROW = 128
"""Elements per row."""

CHUNK = 8192
"""Maximum number of rows measured at once: 2**20 elements."""

_MIN_CHUNK = 1024
"""With chunks of fewer rows than this, padding a copy to whole chunks is cheaper."""

MAX_ELEMENTS = 1 << 24
"""Maximum number of elements of a group of tensors, which is copied into one matrix."""

_SMALL = 1 << 14
MAX_SMALL, MAX_MEDIUM = 256, 128
"""Maximum number of tensors in a group: of at most `_SMALL` elements each, and of larger ones. Each
chunk adds up the counts of all tensors of its group, and many small tensors need few chunks."""

_LARGE = 1 << 20
"""Tensors of at least this many elements are measured one by one, to save copying them."""

_USUAL_BATCH = 128
"""Assumed batch size, to estimate the size of a tensor whose batch size is unknown."""

Columns = tuple[tf.Tensor, ...]


class Blocks(NamedTuple):
    """The elements of `n` tensors, packed into rows.

    Attributes:
        rows: float32 or float64 `[r, 128]`. Each tensor begins a new row. The rest of its last row
            is zero padding, as are rows after the last tensor. There is at least one row, and more
            than `CHUNK` rows split into equal chunks.
        sizes: int64 `[n]`, the number of elements of each tensor.
    """

    rows: tf.Tensor
    sizes: tf.Tensor


def traced_once(function: Callable[..., Any], *signature: tf.TensorSpec) -> Callable[..., Any]:
    """Returns a `tf.function` that is traced once and never inlined.

    Inlining it for each of a hundred tensors would make optimizing the graph take seconds longer.
    (XLA inlines it regardless.)

    Args:
        function: A function of tensors.
        signature: The specs of these tensors.
    """
    return tf.function(
        function,
        input_signature=signature,
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def blocks_of_one(values: tf.Tensor) -> Blocks:
    """Returns the blocks of one tensor. For use in a function that is traced once."""
    size = tf.size(values, tf.int64)
    num_rows = tf.maximum(num_rows_of(size), 1)
    splits_well = num_rows_at_once(num_rows) >= _MIN_CHUNK
    num_rows = tf.where((num_rows <= CHUNK) | splits_well, num_rows, _whole_chunks(num_rows))
    flat = tf.pad(tf.reshape(_wide(values), [-1]), [[0, num_rows * ROW - size]])
    return Blocks(tf.reshape(flat, [-1, ROW]), size[tf.newaxis])


def num_rows_at_once(num_rows: tf.Tensor) -> tf.Tensor:
    """Returns the number of rows per chunk: the largest divisor that is at most `CHUNK`."""
    lengths = tf.range(1, CHUNK + 1, dtype=num_rows.dtype)
    splits = tf.equal(num_rows % lengths, 0)
    return tf.reduce_max(tf.where(splits, lengths, tf.ones_like(lengths)))


def _whole_chunks(num_rows: tf.Tensor) -> tf.Tensor:
    return (num_rows + CHUNK - 1) // CHUNK * CHUNK


class _Shelf:
    """Packs tensors into blocks with as few operations as possible."""

    def __init__(self) -> None:
        self._flat_shape = tf.constant([-1])
        self._zeros: dict[tuple[int, tf.DType], tf.Tensor] = {}

    def blocks(self, tensors: Sequence[tf.Tensor]) -> Blocks:
        """Returns the blocks of floating-point tensors: either all float64, or none of them."""
        pieces, sizes = zip(*map(self._pieces, tensors), strict=True)
        of_all = tf.convert_to_tensor(sizes, tf.int64)
        num_elements = tf.reduce_sum(num_rows_of(of_all)) * ROW
        return Blocks(_in_chunks([p for of_one in pieces for p in of_one], num_elements), of_all)

    def _pieces(self, values: tf.Tensor) -> tuple[list[tf.Tensor], int | tf.Tensor]:
        """Returns vectors that together fill whole rows, and the number of actual elements."""
        size = values.shape.num_elements()
        if size is None and not _fills_rows(values):
            flat, size = _filling_up(values.dtype)(values)
            return [flat], size
        flat = _wide(values)
        if values.shape.rank != 1:
            flat = tf.reshape(flat, self._flat_shape)
        if size is None:
            return [flat], tf.size(values, tf.int64)
        num_missing = -size % ROW
        return [flat, self._zeros_of(num_missing, flat.dtype)] if num_missing else [flat], size

    def _zeros_of(self, size: int, dtype: tf.DType) -> tf.Tensor:
        key = size, dtype
        if key not in self._zeros:
            self._zeros[key] = tf.zeros([size], dtype)
        return self._zeros[key]


def _fills_rows(values: tf.Tensor) -> bool:
    """Whether any number of examples fills whole rows."""
    if values.shape.rank is None:
        return False
    size = values.shape[1:].num_elements()
    return size is not None and size % ROW == 0


@functools.cache
def _filling_up(dtype: tf.DType) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    return traced_once(_filled_up, tf.TensorSpec(None, dtype))


def _filled_up(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns a vector padded to whole rows, and the number of actual elements."""
    size = tf.size(values, tf.int64)
    return tf.pad(tf.reshape(_wide(values), [-1]), [[0, -size % ROW]]), size


def _wide(values: tf.Tensor) -> tf.Tensor:
    return values if values.dtype == tf.float64 else tf.cast(values, tf.float32)


def _in_chunks(pieces: Sequence[tf.Tensor], num_elements: tf.Tensor) -> tf.Tensor:
    """Returns vectors of `num_elements` elements in all as rows, padded to whole chunks."""
    num_rows = num_rows_of(num_elements)
    wanted = tf.where(num_rows > CHUNK, _whole_chunks(num_rows), tf.maximum(num_rows, 1))
    num_missing = wanted - num_rows
    filler = tf.zeros([num_missing * ROW], pieces[0].dtype)
    return tf.reshape(tf.concat([*pieces, filler], axis=0), [-1, ROW])


def num_rows_of(sizes: tf.Tensor) -> tf.Tensor:
    """Returns the number of rows that tensors of these sizes occupy."""
    return (sizes + ROW - 1) // ROW


def signature_of_blocks(dtype: tf.DType) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    """Returns the signature of blocks of any size."""
    return tf.TensorSpec([None, ROW], dtype), tf.TensorSpec([None], tf.int64)


def measured_together(
    tensors: Sequence[tuple[tf.Tensor, ...]],
    measure_many: Callable[[Sequence[int], Sequence[Blocks]], Columns],
    measure_one: Callable[[int], Columns],
) -> Columns:
    """Measures many items in a few groups.

    Args:
        tensors: For each of `n` items, one or several tensors of the same shape and dtype.
        measure_many: Called with the indices of the items in a group and, for each tensor position,
            the blocks of these items. Returns tensors `[items, ...]`.
        measure_one: Called with the index of one large item. Returns tensors `[1, ...]`.

    Returns:
        The results of all items, tensors `[n, ...]`, in the order of the items.
    """
    shelf = _Shelf()
    order: list[int] = []
    found: list[Columns] = []
    for group in _groups([of_one[0] for of_one in tensors]):
        order += group
        if len(group) == 1 and _is_large(tensors[group[0]][0]):
            found.append(measure_one(group[0]))
        else:
            columns = zip(*(tensors[number] for number in group), strict=True)
            found.append(measure_many(group, [shelf.blocks(column) for column in columns]))
    return in_order(found, order)


def in_order(parts: Sequence[Columns], order: Sequence[int]) -> Columns:
    """Concatenates the results of several groups, in the original order of the items.

    Args:
        parts: For each group, tensors `[items, ...]`.
        order: The index of each item, from 0 on, in the order in which the parts contain them.

    Returns:
        Tensors `[n, ...]`, ordered by index.
    """
    columns = tuple(tf.concat(column, axis=0) for column in zip(*parts, strict=True))
    if list(order) == sorted(order):
        return columns
    places = np.argsort(order)
    return tuple(tf.gather(column, places) for column in columns)


def _groups(tensors: Sequence[tf.Tensor]) -> list[list[int]]:
    """Groups tensors by kind (float64 or not, small or not), with large ones on their own."""
    kinds: dict[tuple[bool, int], list[int]] = {}
    for number, values in enumerate(tensors):
        limit = MAX_SMALL if _expected_size(values) <= _SMALL else MAX_MEDIUM
        kinds.setdefault((values.dtype == tf.float64, limit), []).append(number)
    found: list[list[int]] = []
    for (_, limit), numbers in kinds.items():
        group: list[int] = []
        elements = 0
        for number in numbers:
            is_large = _is_large(tensors[number])
            size = MAX_ELEMENTS if is_large else _expected_size(tensors[number])
            if group and (elements + size > MAX_ELEMENTS or len(group) == limit):
                found.append(group)
                group, elements = [], 0
            group.append(number)
            elements += size
        found.append(group)
    return found


def _is_large(values: tf.Tensor) -> bool:
    size = values.shape.num_elements()
    if size is None:  # too uncertain to use the lower threshold
        return _expected_size(values) >= MAX_ELEMENTS
    return size >= _LARGE


def _expected_size(values: tf.Tensor) -> int:
    if values.shape.rank is None:
        return 0
    return math.prod(_USUAL_BATCH if size is None else size for size in values.shape)

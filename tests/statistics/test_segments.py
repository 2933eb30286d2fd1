"""Rows of several tensors are reduced per tensor as NumPy does it, in one chunk or in many."""

import numpy as np
import pytest
import tensorflow as tf

from vg_keras.statistics.blocks import CHUNK, ROW, Blocks, signature_of_blocks
from vg_keras.statistics.segments import (
    Totals,
    extremes_where,
    last_rows,
    max_abs,
    measured,
    num_true,
    padding_of,
    segments_of,
    sums_of_rows,
    without_padding,
)

SIZES = [ROW + 3, 1, 2 * ROW, 5]


def arrays_of(sizes, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=size) for size in sizes]


def blocks_of(arrays, extra_rows=0):
    """Each array in rows of its own, filled up with zeros, and rows of zeros after the last."""
    rows = [np.pad(a, [0, -len(a) % ROW]).reshape(-1, ROW) for a in arrays]
    rows = np.concatenate([*rows, np.zeros([extra_rows, ROW])])
    return Blocks(tf.constant(rows), tf.constant([len(a) for a in arrays], tf.int64))


@pytest.fixture(params=["graph", "xla"])
def run(request):
    """Runs a function of blocks, traced without knowing their shapes, as in the monitor."""

    def run(function, blocks):
        how = {"autograph": False, "jit_compile": request.param == "xla"}
        signature = signature_of_blocks(tf.float64)
        return tf.function(function, input_signature=signature, **how)(*blocks)

    return run


def totals_of(rows, sizes, is_one):
    """The sum, the number of elements, the least and the greatest of each tensor."""

    def measure(part, segments):
        is_element = without_padding(segments)
        least, most = extremes_where(is_element, part)
        added = segments.sum(sums_of_rows(part)), segments.sum(num_true(is_element))
        return Totals(added, segments.extremes(least, most))

    segments = segments_of(Blocks(rows, sizes), is_one)
    specs = [tf.TensorSpec([], tf.float64), tf.TensorSpec([], tf.int64)]
    return measured(measure, [rows], segments, specs, tf.float64)


@pytest.mark.parametrize(
    ("sizes", "extra_rows"),
    [(SIZES, 0), (SIZES, 3), ([0, 4, 0], 0), ([7], 0), ([CHUNK * ROW + 5, 9], CHUNK - 2)],
)
def test_each_tensor_has_the_totals_of_its_own_elements(run, sizes, extra_rows):
    arrays = arrays_of(sizes)
    blocks = blocks_of(arrays, extra_rows)
    (sums, counts), (least, most) = run(
        lambda rows, sizes: totals_of(rows, sizes, is_one=False), blocks
    )
    is_empty = np.array(sizes) == 0

    assert sums.numpy() == pytest.approx([array.sum() for array in arrays], rel=1e-12)
    assert counts.numpy().tolist() == sizes
    assert least.numpy()[~is_empty].tolist() == [array.min() for array in arrays if len(array)]
    assert most.numpy()[~is_empty].tolist() == [array.max() for array in arrays if len(array)]
    assert (least > most).numpy().tolist() == is_empty.tolist()


@pytest.mark.parametrize(("size", "extra_rows"), [(5, 0), (ROW, 0), (ROW + 1, 2), (0, 1)])
def test_a_single_tensor_is_measured_without_numbers_of_its_rows(run, size, extra_rows):
    arrays = arrays_of([size])
    (sums, counts), (least, most) = run(
        lambda rows, sizes: totals_of(rows, sizes, is_one=True), blocks_of(arrays, extra_rows)
    )

    assert sums.numpy() == pytest.approx([arrays[0].sum()], rel=1e-12)
    assert counts.numpy().tolist() == [size]
    assert least.numpy().tolist() == [min(arrays[0], default=np.inf)]
    assert most.numpy().tolist() == [max(arrays[0], default=-np.inf)]


def test_a_nan_reaches_the_totals_of_its_own_tensor_only():
    arrays = arrays_of(SIZES)
    arrays[2][130] = np.nan
    found = max_abs(tf.abs, [blocks_of(arrays).rows], segments_of(blocks_of(arrays), False))
    (sums, _), _ = totals_of(*blocks_of(arrays), is_one=False)
    others = [0, 1, 3]

    assert np.isnan(sums.numpy()).tolist() == [False, False, True, False]
    assert found.numpy()[others].tolist() == [abs(arrays[number]).max() for number in others]


def test_every_row_is_given_the_value_and_the_number_of_its_tensor():
    blocks = blocks_of(arrays_of(SIZES), extra_rows=1)
    segments = segments_of(blocks, is_one=False)
    one = segments_of(blocks_of(arrays_of([300])), is_one=True)
    indices = tf.ones([7, ROW], tf.int32)
    owners = [0, 0, 1, 2, 2, 3, 3]  # what follows the last tensor is its padding

    assert segments.spread(tf.constant([10, 11, 12, 13])).numpy()[:, 0].tolist() == [
        10 + owner for owner in owners
    ]
    assert segments.numbered(indices, 1000).numpy()[:, 5].tolist() == [
        1 + 1000 * owner for owner in owners
    ]
    assert one.spread(tf.constant([10])).numpy().tolist() == [[10]]
    assert one.numbered(indices, 1000) is indices


@pytest.mark.parametrize("extra_rows", [0, 2])
def test_padding_is_counted_and_the_last_row_is_found(extra_rows):
    sizes = [*SIZES, 0] if not extra_rows else SIZES
    arrays = arrays_of(sizes)
    rows, is_element = last_rows(blocks_of(arrays, extra_rows))
    padding = padding_of(blocks_of(arrays, extra_rows)).numpy().tolist()
    ends = [row[own].tolist() for row, own in zip(rows.numpy(), is_element.numpy(), strict=True)]

    assert padding == [-size % ROW for size in sizes[:-1]] + [-sizes[-1] % ROW + extra_rows * ROW]
    assert ends == [array[(len(array) - 1) // ROW * ROW :].tolist() for array in arrays]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_summed_with_little_rounding(dtype):
    rows = (1e4 * np.random.default_rng(0).normal(size=[50, ROW]) ** 2).astype(dtype)
    found = sums_of_rows(tf.constant(rows))
    expected = rows.astype(np.longdouble).sum(axis=1)
    tolerance = {"float32": 1e-6, "float64": 1e-15}[dtype]

    assert found.dtype == tf.float64
    assert found.numpy() == pytest.approx(expected.astype(np.float64), rel=tolerance)
    assert sums_of_rows(tf.zeros([0, ROW], dtype)).shape == [0]

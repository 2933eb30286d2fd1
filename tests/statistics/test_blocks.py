"""Tensors measured in blocks get the same results as alone, wherever rows and chunks are cut."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_twin import bucket_counts

from vg_keras.statistics.blocks import (
    CHUNK,
    MAX_ELEMENTS,
    MAX_SMALL,
    ROW,
    blocks_of_one,
    measured_together,
    num_rows_at_once,
)
from vg_keras.statistics.norms import norms, update_norms
from vg_keras.statistics.tensor_sketch import sketch_all

pytestmark = pytest.mark.slow

SIZES = [1, ROW - 1, ROW, ROW + 1, 0, 700_000, 3, CHUNK * ROW - 5, 900_001, 0]
"""Sizes of tensors that cross the borders of several chunks; all but one are measured together."""

_random = np.random.default_rng(0)
ARRAYS = [_random.normal(size=size, scale=10.0 ** (i - 3)) for i, size in enumerate(SIZES)]
ARRAYS = [array.astype(np.float32) for array in ARRAYS]
LARGE = _random.normal(size=2 * CHUNK * ROW + 3).astype(np.float32)
PRIME = _random.normal(size=8209 * ROW).astype(np.float32)
"""Has a prime number of rows, more than are measured at once."""


def constants(arrays):
    return [tf.constant(array) for array in arrays]


@pytest.fixture(params=["eager", "graph", "xla"])
def mode(request):
    return request.param


def run(mode, function, *args):
    if mode == "eager":
        return function(*args)
    return tf.function(function, autograph=False, jit_compile=mode == "xla")(*args)


def aggregates(array):
    array = array.astype(np.float64)
    smallest, largest = (array.min(), array.max()) if len(array) else (np.nan, np.nan)
    return [array.sum(), abs(array).sum(), np.linalg.norm(array), smallest, largest, 0, 0, 0]


@pytest.mark.parametrize("arrays", [[*ARRAYS, LARGE], [LARGE], [PRIME], ARRAYS[4:5], ARRAYS[:3]])
def test_each_tensor_has_its_own_sketch_across_chunks(mode, arrays):
    found = run(mode, sketch_all, constants(arrays))

    assert np.array_equal(found.counts, [bucket_counts(array) for array in arrays])
    for of_one, array in zip(found.aggregates.numpy(), arrays, strict=True):
        expected = aggregates(array)
        assert of_one[1:] == pytest.approx(expected[1:], rel=1e-6, abs=0, nan_ok=True)
        assert of_one[0] == pytest.approx(expected[0], rel=0, abs=1e-6 * expected[1])


def test_a_nonfinite_number_in_a_late_chunk_is_counted(mode):
    arrays = [array.copy() for array in ARRAYS]
    arrays[7][-1], arrays[8][5] = np.nan, 0.0
    found = run(mode, sketch_all, constants(arrays))

    assert np.array_equal(found.counts, [bucket_counts(array) for array in arrays])
    assert found.aggregates[8, 5] == 1
    assert found.aggregates[7, 3:5].numpy() == pytest.approx(
        [arrays[7][:-1].min(), arrays[7][:-1].max()]
    )


def test_norms_are_right_across_chunks(mode):
    arrays = [*ARRAYS, LARGE]
    expected = [np.linalg.norm(array.astype(np.float64)) for array in arrays]

    assert run(mode, norms, constants(arrays)).numpy() == pytest.approx(expected, rel=1e-6)


def test_updates_and_weights_are_distinguished_across_chunks(mode):
    before = [*ARRAYS, LARGE]
    after = [array + np.float32(0.5) for array in before]
    updates, weights = run(mode, update_norms, constants(before), constants(after))
    expected = [
        np.linalg.norm((b - a).astype(np.float64)) for a, b in zip(before, after, strict=True)
    ]

    assert updates.numpy() == pytest.approx(expected, rel=1e-6)
    assert weights.numpy() == pytest.approx(
        [np.linalg.norm(array.astype(np.float64)) for array in before], rel=1e-6
    )


@pytest.mark.parametrize(
    ("num_rows", "expected"),
    [(1, 1), (CHUNK, CHUNK), (12_500, 6_250), (8_209, 1), (3 * CHUNK, CHUNK)],
)
def test_rows_are_measured_in_equal_chunks(num_rows, expected):
    assert num_rows_at_once(tf.constant(num_rows)).numpy() == expected


def test_a_large_tensor_that_splits_into_chunks_is_not_padded():
    assert len(blocks_of_one(tf.zeros([12_500 * ROW - 7])).rows) == 12_500
    assert len(blocks_of_one(tf.zeros([8_209 * ROW])).rows) == 2 * CHUNK
    assert len(blocks_of_one(tf.zeros([0])).rows) == 1


def groups_of(shapes, dtypes=None):
    """Returns the indices of tensors that are measured together, and of those measured alone."""
    many, alone = [], []

    def measure_many(numbers, parts):
        many.append(list(numbers))
        return (tf.zeros([len(numbers)]),)

    def measure_one(number):
        alone.append(number)
        return (tf.zeros([1]),)

    @tf.function(autograph=False)
    def step(*tensors):
        return measured_together([(t,) for t in tensors], measure_many, measure_one)

    dtypes = dtypes or [tf.float32] * len(shapes)
    step.get_concrete_function(*map(tf.TensorSpec, shapes, dtypes))
    return many, alone


def test_small_tensors_form_one_group_and_a_large_one_is_alone():
    assert groups_of([[9], [3, 3], [1024, 1024], [5]]) == ([[0, 1, 3]], [2])


def test_a_group_respects_its_element_limit():
    half = [MAX_ELEMENTS // 2 // 128]  # of an example, in a batch of 128

    many, alone = groups_of([[None, *half]] * 5)
    assert (many, alone) == ([[0, 1], [2, 3], [4]], [])


def test_small_tensors_are_not_grouped_with_larger_ones():
    assert groups_of([[9], [300, 300], [5], [300, 300]]) == ([[0, 2], [1, 3]], [])


def test_a_group_respects_its_tensor_limit():
    many, alone = groups_of([[2]] * (MAX_SMALL + 1))
    assert (list(map(len, many)), alone) == ([MAX_SMALL, 1], [])


def test_float64_tensors_form_a_separate_group():
    dtypes = [tf.float32, tf.float64, tf.float16, tf.float64]

    assert groups_of([[2]] * 4, dtypes) == ([[0, 2], [1, 3]], [])


def test_results_are_in_the_order_of_the_tensors():
    arrays = [np.float32([1]), np.float64([2]), LARGE, np.float16([3]), np.float64([4])]

    assert norms(constants(arrays)).numpy()[[0, 1, 3, 4]].tolist() == [1, 2, 3, 4]

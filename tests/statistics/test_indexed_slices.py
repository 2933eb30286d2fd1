"""A sparse gradient is sketched like the dense one: eagerly, in a graph and under XLA."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_twin import bucket_counts, statistics
from sketches import in_modes

from vg_keras.sketch.sketch import Sketch
from vg_keras.statistics.indexed_slices import add_repeated_rows, sketch_slices
from vg_keras.statistics.tensor_sketch import sketch

pytestmark = pytest.mark.slow

INF, NAN = np.inf, np.nan


def _of_slices(values, indices, size):
    return sketch_slices(tf.IndexedSlices(values, indices), size)


MODES = in_modes(_of_slices)
NAMES = tuple(statistics([]))
NANS = [1021, 1022, 1023, 2045, 2046, 2047]

# Values, indices, number of rows. Whole numbers, so that no sum is rounded, and few shapes, because
# XLA recompiles for each.
_FOUR = [[1, 2], [-3, 4], [5, 6], [7, -8]]
CASES = {
    "every index once": (_FOUR, [4, 1, 0, 3], 6),
    "repeated rows": (_FOUR, [3, 0, 3, 3], 6),
    "one row, repeated": (_FOUR, [2, 2, 2, 2], 6),
    "all positive": (np.abs(_FOUR), [0, 2, 5, 2], 6),
    "all negative": (-np.abs(_FOUR), [0, 2, 5, 2], 6),
    "rows that cancel": ([[1, -2], [3, 4], [-1, 2], [5, 6]], [2, 0, 2, 1], 6),
    "rows that all cancel": ([[1, -2], [-1, 2], [3, -4], [-3, 4]], [5, 5, 0, 0], 6),
    "nan in a row": ([[1, NAN], [3, 4], [-1, 2], [5, 6]], [2, 0, 2, 1], 6),
    "infinities that meet": ([[INF, 2], [-INF, 3], [1, 1], [INF, 2]], [1, 1, 0, 2], 6),
    "nothing finite beside absent rows": ([[NAN, INF], [-INF, NAN]] * 2, [0, 1, 2, 3], 6),
    "all rows": (_FOUR, [3, 1, 0, 2], 4),
    "nothing finite": ([[NAN, INF], [-INF, NAN]] * 2, [0, 1, 2, 3], 4),
    "more slices than rows": (_FOUR, [1, 0, 1, 1], 2),
    "more slices than rows, all positive": (np.abs(_FOUR), [1, 0, 1, 1], 2),
    "more slices than rows, one row absent": (np.abs(_FOUR), [2, 0, 2, 2], 3),
    "the only row": ([[1, 2], [-3, 4]], [0, 0], 1),
    "no slices": (np.zeros([0, 2]), [], 6),
    "values of rank 1": ([1, 2, 3, -4], [7, 0, 7, 1], 9),
    "values of rank 3": (np.arange(-4, 8).reshape([3, 2, 2]), [2, 0, 2], 5),
}


def dense_of(values, indices, num_rows):
    values = np.asarray(values, np.float64)
    dense = np.zeros([num_rows, *values.shape[1:]])
    with np.errstate(invalid="ignore"):  # Inf - Inf
        np.add.at(dense, np.asarray(indices, np.int64), values)
    return dense.astype(np.float32)


def sketch_in(mode, values, indices, num_rows, dtype=tf.float32, index_dtype=tf.int32):
    values = tf.constant(values, dtype)
    size = num_rows * int(np.prod(values.shape[1:]))
    return Sketch.of(*MODES[mode](values, tf.constant(indices, index_dtype), size))


def statistics_of(found):
    return {name: getattr(found, name) for name in NAMES}


def like(expected):
    return pytest.approx(expected, rel=1e-6, abs=0, nan_ok=True)


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


@pytest.fixture(scope="module", params=MODES)
def sketches(request):
    return {case: sketch_in(request.param, *CASES[case]) for case in CASES}


@pytest.mark.parametrize("case", CASES)
def test_slices_have_the_statistics_of_the_dense_gradient(sketches, case):
    assert statistics_of(sketches[case]) == like(statistics(dense_of(*CASES[case])))


@pytest.mark.parametrize("case", CASES)
def test_slices_are_counted_as_the_dense_gradient(sketches, case):
    dense, found = dense_of(*CASES[case]), sketches[case].counts
    found[NANS] = 0  # which NaN a sum produces is unspecified

    assert np.all(found == bucket_counts(dense[~np.isnan(dense)]))


@pytest.mark.parametrize("case", CASES)
def test_slices_are_sketched_like_the_tensor_that_tensorflow_converts_them_to(case):
    values, indices, num_rows = CASES[case]
    values = tf.constant(values, tf.float32)
    shape = [num_rows, *values.shape[1:]]
    slices = tf.IndexedSlices(values, tf.constant(indices, tf.int32), tf.constant(shape))
    counts, aggregates = sketch_slices(slices, int(np.prod(shape)))
    dense_counts, dense_moments = sketch(tf.convert_to_tensor(slices))

    assert np.all(counts == dense_counts)
    assert aggregates.numpy() == like(dense_moments.numpy())


@pytest.mark.parametrize("case", ["repeated rows", "no slices"])
def test_int64_indices_are_supported(mode, case):
    found = sketch_in(mode, *CASES[case], index_dtype=tf.int64)

    assert statistics_of(found) == like(statistics(dense_of(*CASES[case])))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_slices_of_other_dtypes_are_supported(dtype):
    found = sketch_in("eager", *CASES["repeated rows"], dtype=dtype)

    assert statistics_of(found) == like(statistics(dense_of(*CASES["repeated rows"])))


def test_slices_of_an_integer_dtype_raise_with_a_remedy():
    with pytest.raises(TypeError) as error:
        sketch_in("eager", *CASES["repeated rows"], dtype=tf.int32)

    assert str(error.value) == (
        "`values` must be of dtype float16, bfloat16, float32 or float64. "
        "Received: int32. Cast it to one of these."
    )


def test_an_unknown_number_of_slices_is_supported():
    unknown = tf.function(
        lambda values, indices: sketch_slices(tf.IndexedSlices(values, indices), 12),
        input_signature=[tf.TensorSpec([None, 2]), tf.TensorSpec([None], tf.int32)],
    )
    values, indices, _ = CASES["repeated rows"]
    found = Sketch.of(*unknown(tf.constant(values, tf.float32), tf.constant(indices)))

    assert statistics_of(found) == like(statistics(dense_of(*CASES["repeated rows"])))


def test_an_embedding_too_large_for_memory_costs_only_its_slices():
    num_rows = 2_000_000_000
    found = sketch_in("eager", np.ones([2, 1000]), [0, num_rows - 1], num_rows)

    assert found.count == num_rows * 1000
    assert found.zeros == num_rows * 1000 - 2000


@pytest.mark.parametrize(
    ("values", "indices", "size"),
    [(np.zeros([0, 1000]), [], 3_000_000_000), (np.ones([1, 1]), [5], 3_000_000_000)],
    ids=["no slices", "many rows"],
)
def test_an_embedding_with_more_elements_than_int32_max_is_supported(mode, values, indices, size):
    values, indices = tf.constant(values, tf.float32), tf.constant(indices, tf.int64)
    found = Sketch.of(*MODES[mode](values, indices, size))

    assert found.count == size
    assert found.zeros == size - len(indices)


def test_repeated_rows_are_added_in_the_order_of_their_indices():
    slices = tf.IndexedSlices(tf.constant([[1.0, 2], [3, 4], [5, 6]]), tf.constant([7, 2, 7]))
    rows = add_repeated_rows(slices, tf.constant(9))

    assert rows.numpy().tolist() == [[3, 4], [6, 8], [0, 0]]


@pytest.mark.parametrize(("num_rows", "expected"), [(9, 3), (2, 2)])
def test_there_are_at_most_as_many_added_rows_as_slices_or_rows(num_rows, expected):
    slices = tf.IndexedSlices(tf.ones([3, 4, 5]), tf.constant([0, 1, 0]))

    assert add_repeated_rows(slices, tf.constant(num_rows)).shape == [expected, 4, 5]


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_added_rows_have_the_dtype_of_the_values(dtype):
    slices = tf.IndexedSlices(tf.ones([2, 3], dtype), tf.constant([0, 0]))

    assert add_repeated_rows(slices, tf.constant(4)).dtype == dtype


# Eagerly, because XLA would recompile for every number of slices.
entries = st.sampled_from([-3.0, -1.0, 0.0, 1.0, 2.0, NAN])
any_slices = st.integers(1, 6).flatmap(
    lambda num_rows: st.tuples(
        st.lists(st.tuples(st.integers(0, num_rows - 1), entries, entries), max_size=8),
        st.just(num_rows),
    )
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(any_slices)
def test_arbitrary_slices_have_the_statistics_of_the_dense_gradient(slices_and_rows):
    slices, num_rows = slices_and_rows
    indices = [index for index, *_ in slices]
    values = np.reshape([row for _, *row in slices], [-1, 2])
    found = sketch_in("eager", values, indices, num_rows)

    assert statistics_of(found) == like(statistics(dense_of(values, indices, num_rows)))

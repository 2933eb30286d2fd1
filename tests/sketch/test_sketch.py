"""Queries on a finished sketch. The sketches come from the NumPy twin, without TensorFlow."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_twin import bucket_counts, statistics
from sketches import sketch_of

from vg_keras.sketch.sketch import AGGREGATES, QUANTILE_ERROR, Sketch, nonfinite_of_each

INF, NAN = np.inf, np.nan
STATISTICS = tuple(statistics([]))
INTEGERS = (
    "count",
    "finite",
    "nonfinite",
    "nans",
    "zeros",
    "positive_infinities",
    "negative_infinities",
)
NAMED_VALUES = {
    "both signs": [-1.5, 2.0, 3.25, -1e-3],
    "with zeros": [0.0, -0.0, 1.0],
    "positive": [1.1, 1.2, 7.0],
    "negative": [-1.1, -1.2, -7.0],
    "nonfinite among others": [NAN, INF, INF, -INF, 2.0, -NAN],
    "nothing finite": [NAN, INF, -INF],
    "empty": [],
}

invariant = settings(derandomize=True, deadline=None, max_examples=100)
anything = st.floats(width=32) | st.floats(-4, 4, width=32) | st.sampled_from([0.0, -0.0])
normal = st.floats(width=32, allow_subnormal=False) | st.floats(
    -4, 4, width=32, allow_subnormal=False
)
subnormal = st.floats(-(2.0**-126), 2.0**-126, width=32)


def arrays_of(elements):
    return st.lists(elements, max_size=40).map(np.float32)


def finite_of(values):
    values = np.asarray(values, np.float64)
    return values[np.isfinite(values)]


def same(value):
    return pytest.approx(value, rel=1e-14, abs=0, nan_ok=True)


def test_moments_are_in_the_order_of_the_file_format():
    assert AGGREGATES == (
        "finite_sum",
        "finite_l1_norm",
        "finite_norm",
        "finite_min",
        "finite_max",
        "zeros",
        "positive_infinities",
        "negative_infinities",
    )


def test_a_sketch_reads_its_moments_in_order():
    aggregates = [1.5, 2.5, 3.5, 4.5, 5.5, 6.0, 7.0, 8.0]
    sketch = Sketch.of(np.zeros(2048), aggregates)

    assert [getattr(sketch, name) for name in AGGREGATES] == aggregates
    assert sketch.aggregates == aggregates


def test_a_sketch_returns_the_counts_it_was_made_from():
    counts = np.random.default_rng(0).integers(0, 3, 2048)
    sketch = Sketch.of(counts, np.zeros(8))

    assert np.all(sketch.counts == counts)
    assert sketch.counts.dtype == np.int64


def test_a_sketch_keeps_nonzero_buckets_only():
    sketch = sketch_of([1.0, 1.0, -1.0, NAN])

    assert sketch.nonzero_buckets.tolist() == [508, 1022, 1532]
    assert sketch.nonzero_counts.tolist() == [2, 1, 1]
    assert sketch.nonzero_buckets.dtype == np.uint16


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("case", NAMED_VALUES)
def test_every_statistic_equals_the_twins(case, name):
    values = NAMED_VALUES[case]

    assert getattr(sketch_of(values), name) == same(statistics(values)[name])


@pytest.mark.parametrize("name", INTEGERS)
def test_numbers_of_elements_are_ints(name):
    assert type(getattr(sketch_of([1.0, NAN]), name)) is int


@pytest.mark.parametrize("name", ["norm", "rms", "max", "mean"])
def test_one_nonfinite_element_makes_a_statistic_nan(name):
    assert math.isnan(getattr(sketch_of([1.0, NAN]), name))
    assert math.isnan(getattr(sketch_of([1.0, INF]), name))


def test_a_sketch_is_shown_in_one_line():
    assert repr(sketch_of([3.0, -4.0, 0.0])) == (
        "<Sketch of 3 elements: norm 5, min -4, max 3, 1 zero>"
    )
    assert repr(sketch_of([NAN, NAN, INF, 1.0])) == (
        "<Sketch of 4 elements: norm nan, min nan, max nan, 2 NaN, 1 +Inf>"
    )


@invariant
@given(arrays_of(anything), arrays_of(anything))
def test_sketches_of_two_parts_add_up_to_the_counts_of_the_whole(first, second):
    whole = np.concatenate([first, second])

    assert np.all((sketch_of(first) + sketch_of(second)).counts == bucket_counts(whole))


@invariant
@given(arrays_of(anything), arrays_of(anything))
def test_sketches_of_two_parts_add_up_to_the_statistics_of_the_whole(first, second):
    added = sketch_of(first) + sketch_of(second)
    whole = statistics(np.concatenate([first, second]))
    total, mean, _ = whole.pop("finite_sum"), whole.pop("mean"), whole.pop("sum")

    assert {name: getattr(added, name) for name in whole} == same(whole)
    assert abs(added.finite_sum - total) <= 1e-14 * whole["finite_l1_norm"]
    assert math.isnan(mean) or added.mean == added.sum / whole["count"]


@pytest.mark.parametrize("empty", [[], [NAN], [INF, -INF]])
def test_adding_a_part_without_finite_elements_keeps_the_extremes(empty):
    some, none = sketch_of([-1.0, 2.0]), sketch_of(empty)

    for added in (some + none, none + some):
        assert (added.finite_min, added.finite_max) == (-1.0, 2.0)


def test_adding_does_not_change_the_parts():
    first, second = sketch_of([1.0, -2.0]), sketch_of([1.0, 5.0, 0.0])
    _ = first + second

    assert first.aggregates == sketch_of([1.0, -2.0]).aggregates
    assert np.all(first.counts == bucket_counts([1.0, -2.0]))


def test_adding_anything_but_a_sketch_raises():
    with pytest.raises(TypeError) as error:
        sketch_of([1.0]) + 1

    assert str(error.value) == "unsupported operand type(s) for +: 'Sketch' and 'int'"


def test_intervals_are_the_buckets_clipped_to_min_and_max():
    edges, counts = sketch_of([-1.1, -0.6, 0.0, 0.0, 1.3, 1.4, 3.1]).intervals()

    assert edges.tolist() == [[-1.1, -1.0], [-0.625, -0.5], [0, 0], [1.25, 1.5], [3.0, 3.1]]
    assert counts.tolist() == [1, 1, 2, 2, 1]
    assert (edges.dtype, counts.dtype) == (np.float64, np.int64)


def test_subnormals_are_next_to_zero_but_separate():
    edges, counts = sketch_of([-1e-40, -0.0, 0.0, 1e-40, 2e-40]).intervals()

    assert edges.tolist() == [[-1e-40, 0], [0, 0], [0, 2e-40]]
    assert counts.tolist() == [1, 2, 2]


def test_nonfinite_elements_are_in_no_interval():
    edges, counts = sketch_of([NAN, -INF, INF]).intervals()

    assert (edges.shape, counts.shape) == ((0, 2), (0,))


def test_computing_intervals_does_not_change_the_sketch():
    sketch = sketch_of([0.0, 0.0, 1e-40])
    sketch.intervals()

    assert np.all(sketch.counts == bucket_counts([0.0, 0.0, 1e-40]))


def test_the_bound_on_a_quantile_is_a_ninth():
    assert QUANTILE_ERROR == 1 / 9


@invariant
@given(arrays_of(normal), st.floats(0, 1))
def test_a_quantile_differs_from_the_element_by_at_most_a_ninth_of_it(values, q):
    values = np.append(values, np.float32(1))  # ensure a finite element
    element = np.quantile(finite_of(values), q, method="inverted_cdf")

    assert abs(sketch_of(values).quantile(q) - element) <= abs(element) / 9 * (1 + 1e-12)


@invariant
@given(arrays_of(subnormal), st.floats(0, 1))
def test_a_quantile_differs_from_a_subnormal_element_by_at_most_two_to_the_minus_129(values, q):
    values = np.concatenate([values, np.float32([-1, 1])])  # min and max themselves are exact
    element = np.quantile(finite_of(values), q, method="inverted_cdf")

    assert abs(sketch_of(values).quantile(q) - element) <= 2.0**-129


@pytest.mark.parametrize("values", [[1e-45, 2.9e-39, 1.0], [-1.0, 5.87e-39, 1.0]])
def test_a_quantile_at_the_far_edge_of_a_subnormal_bucket_keeps_its_bound(values):
    values = np.float32(values)

    assert abs(sketch_of(values).quantile(0.5) - float(values[1])) <= 2.0**-129


@pytest.mark.parametrize(
    "values", [[1e100, 1e200, 1e300], [-1e308, -1e307, -1e300], [1e-310, 1e-300, 1e-60]]
)
def test_a_quantile_of_float64_beyond_float32_range_is_between_min_and_max(values):
    assert values[0] <= sketch_of(values).quantile(0.5) <= values[-1]


@invariant
@given(arrays_of(anything))
def test_the_outermost_quantiles_are_min_and_max(values):
    values = np.append(values, np.float32(1))
    finite = finite_of(values)

    assert sketch_of(values).quantile([0, 1]).tolist() == [finite.min(), finite.max()]


@invariant
@given(arrays_of(anything), st.lists(st.floats(0, 1), max_size=9).map(sorted))
def test_quantiles_are_monotonic(values, q):
    values = np.append(values, np.float32(1))

    assert np.all(np.diff(sketch_of(values).quantile(q)) >= 0)


def test_a_quantile_that_is_zero_is_exact():
    sketch = sketch_of([-3.0, 0.0, -0.0, 0.0, 1e-40, 5.0])

    assert sketch.quantile([0.2, 0.5, 0.6]).tolist() == [0, 0, 0]


def test_quantiles_ignore_nonfinite_elements():
    sketch = sketch_of([NAN, NAN, -INF, 1.0, 2.0, 3.0, INF])

    assert sketch.quantile([0, 1]).tolist() == [1.0, 3.0]
    assert sketch.quantile(0.5) == pytest.approx(2.0, rel=0.112)


@pytest.mark.parametrize("values", [[], [NAN, INF]])
def test_a_quantile_without_finite_elements_is_nan(values):
    assert np.isnan(sketch_of(values).quantile([0.0, 0.5, 1.0])).tolist() == [True] * 3


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_quantiles_have_the_shape_of_the_probabilities(shape):
    q = np.full(shape, 0.5)

    assert sketch_of([1.0, 2.0]).quantile(q).shape == shape
    assert sketch_of([]).quantile(q).shape == shape


@pytest.mark.parametrize(
    ("q", "received"),
    [(1.5, "1.5"), (-0.25, "-0.25"), (NAN, "nan"), ([0.5, 1.25], "[0.5  1.25]")],
)
def test_a_probability_outside_0_to_1_raises(q, received):
    with pytest.raises(ValueError, match="`q` must lie") as error:
        sketch_of([1.0]).quantile(q)

    assert str(error.value) == f"`q` must lie between 0 and 1. Received: q={received}."


@pytest.mark.parametrize("values", [[[1.0, math.nan, -math.inf], [], [2.0], [math.inf] * 3], []])
def test_nonfinite_elements_of_several_sketches_are_counted_at_once(values):
    sketches = [sketch_of(one) for one in values]
    ends = np.cumsum([len(s.nonzero_buckets) for s in sketches], dtype=int).tolist()
    buckets = np.concatenate([np.zeros(0, np.uint16), *(s.nonzero_buckets for s in sketches)])
    counts = np.concatenate([np.zeros(0, np.int64), *(s.nonzero_counts for s in sketches)])

    assert nonfinite_of_each(buckets, counts, ends) == [s.nonfinite for s in sketches]

"""The bars of a histogram, from sketches of the NumPy twin, without TensorFlow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import sketch_of

from vg_keras.sketch.histogram import MAX_BARS, histograms, log10_histograms

INF, NAN = np.inf, np.nan

invariant = settings(derandomize=True, deadline=None, max_examples=100)
anything = st.floats(width=32) | st.floats(-4, 4, width=32) | st.sampled_from([0.0, -0.0])
arrays = st.lists(anything, max_size=40).map(np.float32)
some_finite = arrays.filter(lambda values: np.isfinite(values).any())
some_nonzero = arrays.filter(lambda values: (np.isfinite(values) & (values != 0)).any())
magnitudes = st.floats(2.0**-126, 4, width=32) | st.floats(2.0**-126, 2.0**127, width=32)
normal_magnitudes = st.lists(magnitudes, min_size=1, max_size=40).map(np.float32)


def histogram_of(sketch):
    (bars,) = histograms([sketch])
    return bars


def log10_histogram_of(sketch):
    (bars,) = log10_histograms([sketch])
    return bars


@invariant
@given(st.lists(arrays, max_size=5))
def test_many_at_once_equal_one_at_a_time(several):
    sketches = [sketch_of(values) for values in several]
    for together, alone in ((histograms, histogram_of), (log10_histograms, log10_histogram_of)):
        for bars, sketch in zip(together(sketches), sketches, strict=True):
            assert bars.tolist() == alone(sketch).tolist()


def finite_of(values):
    values = np.asarray(values, np.float64)
    return values[np.isfinite(values)]


def magnitudes_of(values):
    finite = np.abs(finite_of(values))
    return finite[finite > 0]


def elements_in(bar, values, is_first, is_last):
    """Counts the elements in a bar. An edge belongs to the bar on its far side from zero."""
    left, right, _ = bar
    if left == right == 0:
        return np.sum(values == 0)
    if right > 0:
        return np.sum((values > 0) & (values >= left) & ((values < right) | is_last))
    return np.sum((values < 0) & (values <= right) & ((values > left) | is_first))


def test_a_histogram_has_rows_of_left_edge_right_edge_and_count():
    bars = histogram_of(sketch_of([-1.1, -0.6, 0.0, 0.0, 1.3, 1.4, 3.1]))

    assert bars.dtype == np.float64
    assert bars.tolist() == [
        [-1.1, -1.0, 1],
        [-0.625, -0.5, 1],
        [0, 0, 2],
        [1.25, 1.5, 2],
        [3.0, 3.1, 1],
    ]


@invariant
@given(some_finite)
def test_the_outer_edges_are_the_min_and_the_max(values):
    bars = histogram_of(sketch_of(values))
    finite = finite_of(values)

    assert (bars[0, 0], bars[-1, 1]) == (finite.min(), finite.max())


@invariant
@given(arrays)
def test_no_bar_is_empty(values):
    assert np.all(histogram_of(sketch_of(values))[:, 2] > 0)


@invariant
@given(arrays)
def test_bars_ascend_and_do_not_overlap(values):
    left, right, _ = histogram_of(sketch_of(values)).T

    assert np.all(left <= right)
    assert np.all(right[:-1] <= left[1:])


@invariant
@given(arrays)
def test_no_bar_crosses_zero(values):
    left, right, _ = histogram_of(sketch_of(values)).T

    assert not np.any((left < 0) & (right > 0))


@invariant
@given(arrays)
def test_counts_add_up_to_the_finite_elements(values):
    assert histogram_of(sketch_of(values))[:, 2].sum() == len(finite_of(values))


@invariant
@given(arrays)
def test_every_bar_counts_the_elements_inside_it(values):
    bars, finite = histogram_of(sketch_of(values)), finite_of(values)
    last = len(bars) - 1
    expected = [elements_in(bar, finite, i == 0, i == last) for i, bar in enumerate(bars)]

    assert bars[:, 2].tolist() == expected


def test_zeros_of_either_sign_form_one_bar_of_zero_width():
    bars = histogram_of(sketch_of([-1.0, 0.0, -0.0, 1.0]))

    assert bars.tolist() == [[-1, -1, 1], [0, 0, 2], [1, 1, 1]]


def test_no_edge_is_minus_zero():
    assert not np.any(np.signbit(histogram_of(sketch_of([-0.0]))))


def test_equal_elements_form_one_bar_of_zero_width():
    assert histogram_of(sketch_of([-0.3] * 7)).tolist() == [[-0.3, -0.3, 7]]


def test_float64_beyond_float32_range_keeps_its_edges():
    bars = histogram_of(sketch_of([-1e300, 1e-60, 1e300]))

    assert bars[:, 2].tolist() == [1, 1, 1]
    assert (bars[0, 0], bars[-1, 1]) == (-1e300, 1e300)


@pytest.mark.parametrize("values", [[], [NAN], [INF, -INF, NAN]])
def test_a_histogram_without_finite_elements_has_no_bars(values):
    assert histogram_of(sketch_of(values)).shape == (0, 3)


def test_a_log10_histogram_has_rows_of_left_edge_right_edge_and_count():
    bars = log10_histogram_of(sketch_of([1.1, 1.2, 1.3, 3.5, 4.0]))
    edges = np.log10([[1.1, 1.25], [1.25, 1.5], [3.5, 4.0], [4.0, 4.0]])

    assert bars[:, :2] == pytest.approx(edges, abs=1e-15)
    assert bars[:, 2].tolist() == [2, 1, 1, 1]


@invariant
@given(arrays)
def test_log10_counts_add_up_to_the_finite_nonzero_elements(values):
    assert log10_histogram_of(sketch_of(values))[:, 2].sum() == len(magnitudes_of(values))


@invariant
@given(arrays)
def test_log10_bars_ascend_and_do_not_overlap_and_are_not_empty(values):
    left, right, counts = log10_histogram_of(sketch_of(values)).T

    assert np.all(left <= right)
    assert np.all(right[:-1] <= left[1:])
    assert np.all(counts > 0)


@invariant
@given(arrays)
def test_log10_edges_are_finite(values):
    assert np.all(np.isfinite(log10_histogram_of(sketch_of(values))))


@invariant
@given(some_nonzero)
def test_the_upper_log10_edge_is_max_abs(values):
    assert log10_histogram_of(sketch_of(values))[-1, 1] == np.log10(magnitudes_of(values).max())


@invariant
@given(some_nonzero)
def test_the_lower_log10_edge_is_at_most_the_smallest_magnitude(values):
    assert log10_histogram_of(sketch_of(values))[0, 0] <= np.log10(magnitudes_of(values).min())


@invariant
@given(normal_magnitudes, st.sampled_from([1, -1]))
def test_the_lower_log10_edge_is_exact_if_all_elements_have_one_sign(values, sign):
    lower = log10_histogram_of(sketch_of(sign * values))[0, 0]

    assert lower == np.log10(magnitudes_of(values).min())


@invariant
@given(normal_magnitudes, normal_magnitudes)
def test_the_lower_log10_edge_is_at_most_a_tenth_too_low_for_mixed_signs(positive, negative):
    values = np.concatenate([positive, -negative])
    lower = log10_histogram_of(sketch_of(values))[0, 0]

    assert 0 <= np.log10(magnitudes_of(values).min()) - lower <= 0.1


@pytest.mark.parametrize("value", [2e-39, 1e-45, 1e-60])
def test_the_lower_log10_edge_is_the_smallest_float32_for_mixed_signs_near_zero(value):
    bars = log10_histogram_of(sketch_of([-value, value, -1.0, 1.0]))

    assert bars[0].tolist() == [np.log10(2.0**-149), np.log10(2.0**-128), 2]


@invariant
@given(arrays)
def test_log10_counts_ignore_signs(values):
    bars, unsigned = (log10_histogram_of(sketch_of(v)) for v in (values, np.abs(values)))

    assert bars[:, 2].tolist() == unsigned[:, 2].tolist()


def test_both_signs_of_a_bucket_form_one_bar_as_wide_as_the_wider():
    outermost = log10_histogram_of(sketch_of([-1.2, 1.1, 1.1]))
    below_another = log10_histogram_of(sketch_of([-1.2, 1.1, 1.1, 3.0]))

    assert outermost == pytest.approx(np.array([[0, np.log10(1.2), 3]]))
    assert below_another[0] == pytest.approx([0, np.log10(1.25), 3])


@pytest.mark.parametrize("values", [[], [0.0, -0.0], [NAN, INF, -INF, 0.0]])
def test_a_log10_histogram_of_zeros_has_no_bars(values):
    assert log10_histogram_of(sketch_of(values)).shape == (0, 3)


def test_a_log10_histogram_supports_the_smallest_subnormal():
    bars = log10_histogram_of(sketch_of(np.float32([-1e-45, 0.0, 1e-45])))

    assert bars == pytest.approx(np.array([[np.log10(2.0**-149), np.log10(2.0**-149), 2]]))


def test_a_log10_histogram_supports_float64_beyond_float32_range():
    bars = log10_histogram_of(sketch_of([-1e-60, 1e300, -1e300, 1e-60]))

    assert np.all(np.isfinite(bars))
    assert bars[-1, 1] == pytest.approx(300, abs=1e-12)
    assert bars[:, 2].tolist() == [2, 2]


def test_float64_below_float32_range_is_a_log10_bar_at_its_own_magnitude():
    assert log10_histogram_of(sketch_of([-1e-60, 1e-60])) == pytest.approx(
        np.array([[-60, -60, 2]])
    )


many_magnitudes = st.lists(magnitudes, min_size=40, max_size=200).map(np.float32)


@invariant
@given(many_magnitudes, st.booleans())
def test_there_are_no_more_bars_than_tensorboard_draws(values, has_zeros):
    values[::2] *= -1
    if has_zeros:
        values[:3] = 0
    sketch = sketch_of(values)

    assert len(histogram_of(sketch)) <= MAX_BARS + 2
    assert len(log10_histogram_of(sketch)) <= MAX_BARS


def test_intervals_that_tensorboard_draws_as_one_bar_are_merged():
    values = np.float32([*np.linspace(-1, 1, 1001), *np.geomspace(1e-9, 1e-3, 100)])
    bars = histogram_of(sketch_of(values))
    near_zero = bars[np.abs(bars[:, :2]).max(axis=1) < 0.05]

    assert len(bars) <= MAX_BARS + 2
    assert len(near_zero) <= 6  # of 30 of width 0.067; the sketch has 80 buckets there
    assert bars[bars[:, 0] == bars[:, 1], 2].tolist() == [1]  # zero has its own bar


def test_few_intervals_are_kept_unmerged():
    values = np.float32([1e-9, 1e-6, 1e-3, 1])

    assert len(histogram_of(sketch_of(values))) == 4

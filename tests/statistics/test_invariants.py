"""Invariants of the sketch of any tensor, in one graph for tensors of every length."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_twin import bucket_counts, statistics

from vg_keras.sketch.sketch import Sketch
from vg_keras.statistics.tensor_sketch import sketch

ACCURACY = 1e-6
INF, NAN = np.inf, np.nan
EXACT = (
    "count",
    "finite_min",
    "finite_max",
    "zeros",
    "nans",
    "positive_infinities",
    "negative_infinities",
)

invariant = settings(derandomize=True, deadline=None, max_examples=60)
anything = st.floats(width=32) | st.floats(-4, 4, width=32) | st.sampled_from([0.0, -0.0, NAN])
normal_magnitudes = st.floats(2.0**-126, 2.0**126, width=32)
normal_or_zero = normal_magnitudes | normal_magnitudes.map(lambda x: -x) | st.just(0.0)


@tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
def _of_any_length(values):
    return sketch(values)


def sketch_of(values):
    return Sketch.of(*_of_any_length(tf.constant(values)))


def arrays_of(elements):
    return st.lists(elements, max_size=40).map(np.float32)


@invariant
@given(arrays_of(anything))
def test_counts_add_up_to_the_size(values):
    assert sketch_of(values).count == len(values)


@invariant
@given(arrays_of(anything))
def test_arbitrary_values_have_the_counts_of_the_twin(values):
    assert np.all(sketch_of(values).counts == bucket_counts(values))


@invariant
@given(arrays_of(anything))
def test_arbitrary_values_have_the_statistics_of_the_twin(values):
    found, expected = sketch_of(values), statistics(values)

    for name in EXACT:
        assert getattr(found, name) == pytest.approx(expected[name], rel=0, abs=0, nan_ok=True)
    for name in ("finite_l1_norm", "finite_norm"):
        value = pytest.approx(expected[name], rel=ACCURACY, abs=0, nan_ok=True)
        assert getattr(found, name) == value
    room = ACCURACY * expected["finite_l1_norm"]
    assert abs(found.finite_sum - expected["finite_sum"]) <= room


@invariant
@given(arrays_of(normal_or_zero))
def test_doubling_the_values_shifts_the_buckets_by_four(values):
    counts = sketch_of(values).counts.reshape([2, 1024])
    doubled = sketch_of(2 * values).counts.reshape([2, 1024])

    assert np.all(doubled[:, 8:] == counts[:, 4:-4])
    assert doubled[0, 0] == counts[0, 0]
    assert doubled.sum() == counts.sum()


@invariant
@given(arrays_of(normal_or_zero))
def test_doubling_the_values_doubles_the_sums(values):
    once, twice = sketch_of(values), sketch_of(2 * values)

    assert twice.norm == pytest.approx(2 * once.norm, rel=ACCURACY, abs=0)
    assert abs(twice.sum - 2 * once.sum) <= ACCURACY * twice.l1_norm


@invariant
@given(arrays_of(anything))
def test_negating_the_values_mirrors_the_buckets(values):
    found, mirrored = sketch_of(values), sketch_of(-values)
    expected = np.roll(found.counts, 1024)
    expected[1024] -= found.zeros
    expected[0] += found.zeros

    assert np.all(mirrored.counts == expected)


@invariant
@given(arrays_of(anything), st.sampled_from([NAN, INF, -INF]))
def test_one_nonfinite_element_changes_no_other_bucket(values, element):
    element = np.float32([element])
    before = sketch_of(values)
    after = sketch_of(np.concatenate([values, element]))

    assert np.all(after.counts - before.counts == bucket_counts(element))


@invariant
@given(arrays_of(anything), st.sampled_from([NAN, INF, -INF]))
def test_one_nonfinite_element_does_not_change_the_moments_of_the_others(values, element):
    before = sketch_of(values)
    after = sketch_of(np.append(values, np.float32(element)))
    extremes = pytest.approx([before.finite_min, before.finite_max], rel=0, abs=0, nan_ok=True)

    assert after.finite_norm == pytest.approx(before.finite_norm, rel=ACCURACY, abs=0)
    assert abs(after.finite_sum - before.finite_sum) <= ACCURACY * before.finite_l1_norm
    assert [after.finite_min, after.finite_max] == extremes
    assert after.zeros == before.zeros

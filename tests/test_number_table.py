"""Tables of numbers: exact while they are small, bounded when they are large."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_records import layer, model_of

from vg_keras.log.numbers import Numbers
from vg_keras.number_table import NumberTable, Place

MODEL = model_of(*(layer(f"d{i}", "bias", output_shape=(None, 3)) for i in range(2)))


def table_of(values, max_bytes=10**9):
    """A table of one record for each pair of values, at steps 0, 10, 20, ..."""
    table = NumberTable(MODEL, max_bytes)
    for number, pair in enumerate(values):
        step = 10 * number
        rms = {"activations": np.array(pair, float)}
        table.add(Numbers(step, {}, rms, {}, {}), Place("file", step))
    return table


def test_every_record_is_a_column_if_there_is_room():
    found = table_of([(1, 2), (3, math.nan), (0, math.inf)]).columns("activations")

    assert found.steps.tolist() == found.last_steps.tolist() == [0, 10, 20]
    assert np.array_equal(found.values, [[1, 2], [3, math.nan], [0, math.inf]], equal_nan=True)
    assert [place.start for place in found.places] == [0, 10, 20]


def test_columns_are_merged_if_there_is_no_room_and_the_last_record_stays():
    found = table_of([(i, 2) for i in range(10)]).columns("activations", most=4)

    assert found.steps.tolist() == [0, 40, 80, 90]
    assert found.last_steps.tolist() == [30, 70, 80, 90]
    assert found.values[:, 0].tolist() == [0, 4, 8, 9]


def test_a_column_is_not_finite_if_any_of_its_records_is():
    values = [(1.0, 1.0)] * 100
    values[57] = (1.0, math.inf)
    found = table_of(values).columns("activations", most=5)
    (column,) = np.flatnonzero(np.isinf(found.values[:, 1]))

    assert found.steps[column] <= 570 <= found.last_steps[column]
    assert np.isfinite(found.values[:, 0]).all()


@pytest.mark.parametrize(
    ("first", "stop", "steps"),
    [(0, None, [0, 10, 20, 30]), (10, 30, [10, 20]), (5, 11, [10]), (31, None, []), (0, 0, [])],
)
def test_a_part_of_the_steps_can_be_chosen(first, stop, steps):
    found = table_of([(i, i) for i in range(4)]).columns("activations", first, stop)

    assert found.steps.tolist() == steps


def test_what_was_not_recorded_at_first_is_missing_there():
    table = table_of([(1, 2)])
    both = {"activations": np.ones(2), "gradients": np.full(2, 5.0)}
    table.add(Numbers(10, {}, both, {}, {}), Place("file", 10))
    table.add(Numbers(20, {}, {"activations": np.ones(2)}, {}, {}), Place("file", 20))

    assert table.quantities == ["gradients", "activations"]
    assert np.array_equal(
        table.columns("gradients").values, [[math.nan] * 2, [5, 5], [math.nan] * 2], equal_nan=True
    )
    assert table.columns("saturated_units").values.shape == (0, 2)


@given(
    st.lists(st.sampled_from([1.0, 0.0, math.inf, math.nan]), min_size=1, max_size=300),
    st.integers(2, 40),
)
def test_a_full_table_keeps_its_size_and_every_non_finite_step(values, most):
    table = table_of([(value, 1) for value in values], max_bytes=5000)
    found = table.columns("activations", most=most)
    spans = list(zip(found.steps.tolist(), found.last_steps.tolist(), strict=True))
    is_bad = np.isinf(found.values[:, 0])

    assert table.num_bytes <= 5000
    assert table.num_records == len(values)
    assert len(spans) <= most
    assert (spans[0][0], spans[-1][1]) == (0, 10 * (len(values) - 1))
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(spans))
    for number, value in enumerate(values):
        (column,) = [i for i, (first, last) in enumerate(spans) if first <= 10 * number <= last]
        if value == math.inf:
            assert is_bad[column]
    assert all(
        math.inf in values[a // 10 : b // 10 + 1]
        for (a, b), bad in zip(spans, is_bad, strict=True)
        if bad
    )

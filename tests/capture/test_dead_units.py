"""Which units count as dead, against a twin that keeps every mask, and at the window's edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vg_keras.capture.dead_units import WINDOW, DeadUnits


def follow(masks, examples=None):
    """Returns the result after each record."""
    units = DeadUnits()
    examples = examples or [8] * len(masks)
    pairs = zip(masks, examples, strict=True)
    return [units.add(np.array(mask, np.bool_), count) for mask, count in pairs]


def test_the_first_record_reports_nothing():
    assert follow([[False, True]]) == [None]


def test_a_unit_that_was_never_active_is_dead():
    assert follow([[False, True], [False, True]])[-1] == (0.5, 16)


def test_a_unit_that_was_active_once_is_not_dead():
    assert follow([[True, False], [False, True]])[-1] == (0.0, 16)


def test_all_units_may_be_dead():
    assert follow([[False] * 3] * 2)[-1] == (1.0, 16)


def test_examples_of_all_records_are_counted():
    assert follow([[True]] * 3, [8, 8, 3]) == [None, (0.0, 16), (0.0, 19)]


def test_a_record_without_examples_does_not_affect_a_unit():
    assert follow([[True, False], [False, False]], [8, 0])[-1] == (0.5, 8)


def test_a_unit_is_dead_once_its_last_activity_leaves_the_window():
    said = follow([[True]] + [[False]] * WINDOW)

    assert said[WINDOW - 1] == (0.0, 8 * WINDOW)
    assert said[WINDOW] == (1.0, 8 * WINDOW)


def test_a_dead_unit_that_becomes_active_is_no_longer_dead():
    assert follow([[False]] * 20 + [[True]])[-1] == (0.0, 8 * WINDOW)


def test_layers_are_tracked_separately():
    one, other = DeadUnits(), DeadUnits()
    one.add(np.array([False]), 8)

    assert other.add(np.array([False]), 8) is None


def test_the_window_is_ten_records_long():
    assert WINDOW == 10


def test_a_rare_unit_is_silent_for_a_whole_window_as_rarely_as_documented():
    # "one case out of four, and in ten of them in one case out of 400,000"
    silent = 0.99**128

    assert 1 / silent == pytest.approx(4, abs=0.5)
    assert 1 / silent**WINDOW == pytest.approx(400_000, rel=0.1)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.integers(1, 5).flatmap(
        lambda units: st.lists(
            st.tuples(st.lists(st.booleans(), min_size=units, max_size=units), st.integers(0, 100)),
            min_size=2,
            max_size=25,
        )
    )
)
def test_arbitrary_records_agree_with_the_twin(records):
    masks, examples = zip(*records, strict=True)
    said = follow(masks, examples)

    for end in range(2, len(records) + 1):
        last = records[max(0, end - 10) : end]
        dead = [not any(mask[unit] for mask, _ in last) for unit in range(len(masks[0]))]
        assert said[end - 1] == (sum(dead) / len(dead), sum(count for _, count in last))

"""Ranking variables by how much they stand out."""

import math

import pytest
from scripted_records import sketch_of

from vg_keras.ranking import NormHistory, largest
from vg_keras.record import Record


def record_of(step=0, **norms):
    return Record(step, 0.0, {path: sketch_of([norm]) for path, norm in norms.items()})


def history_of(*records):
    history = NormHistory()
    for record in records:
        history.add(record)
    return history


def test_nonfinite_gradients_are_listed_first_and_then_the_largest():
    ranked = NormHistory().ranked(record_of(a=1.0, b=3.0, c=math.nan, d=2.0))

    assert [one.path for one in largest(ranked, 3)] == ["c", "b", "d"]


def test_a_variable_is_compared_with_its_own_past_median():
    history = history_of(*(record_of(a=norm, b=5.0) for norm in (1.0, 2.0, 100.0)))
    first, second = history.most_changed(record_of(a=20.0, b=5.0), 2)

    assert (first.path, first.usual_norm, first.decades) == ("a", 2.0, pytest.approx(1.0))
    assert (second.path, second.decades) == ("b", 0.0)


def test_a_decrease_counts_as_much_as_an_increase():
    history = history_of(*(record_of(a=1.0, b=1.0) for _ in range(3)))
    found = history.most_changed(record_of(a=10.0, b=0.01), 2)

    assert [(one.path, one.decades) for one in found] == [
        ("b", pytest.approx(-2.0)),
        ("a", pytest.approx(1.0)),
    ]


@pytest.mark.parametrize(
    ("norm", "usual", "expected"),
    [(0.0, 1.0, -math.inf), (math.nan, 1.0, math.inf), (1.0, 0.0, math.inf), (0.0, 0.0, 0.0)],
)
def test_zero_and_nonfinite_gradients_deviate_the_most(norm, usual, expected):
    history = history_of(*(record_of(a=usual) for _ in range(3)))

    assert history.most_changed(record_of(a=norm), 1)[0].decades == expected


def test_a_variable_without_enough_history_is_left_out():
    history = history_of(record_of(a=1.0), record_of(a=1.0))

    assert history.most_changed(record_of(a=9.0), 5) == []


def test_nonfinite_gradients_are_excluded_from_the_past():
    history = history_of(*(record_of(a=norm) for norm in (1.0, math.inf, math.nan, 1.0, 1.0)))

    assert history.ranked(record_of(a=1.0))[0].usual_norm == 1.0

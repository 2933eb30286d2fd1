"""The signal from the last hidden layer to the first."""

import math

import pytest
from scripted import HIDDEN, by_layer, record_at

from vg_keras.rules.signal_by_depth import SignalByDepth


def signal(norms, hidden=HIDDEN):
    return SignalByDepth.of(record_at(0, norms), hidden)


@pytest.mark.parametrize(("factor", "decades"), [(0.1, 4), (1.0, 0), (10.0, -4)])
def test_decades_and_factor_describe_the_change_toward_the_input(factor, decades):
    found = signal(by_layer(factor))

    assert found.decades == pytest.approx(decades)
    assert found.factor_per_layer == pytest.approx(factor)


def test_a_signal_that_is_lost_has_infinite_decades_and_none_at_all_is_nan():
    assert signal([0, 0, 0, 0, 1, 1]).decades == math.inf
    assert math.isnan(signal([0] * 6).decades)


def test_layers_beyond_a_factor_of_the_last_one_are_named():
    assert signal([1e-4, 1e-2, 1, 1, 1, 1]).beyond(1e-3) == (HIDDEN[0],)
    assert signal([1e4, 1e2, 1, 1, 1, 1]).beyond(1e3) == (HIDDEN[0],)


def test_nothing_is_said_of_one_layer_or_of_a_signal_that_is_not_finite():
    assert signal([1.0] * 6, HIDDEN[:1]) is None
    assert signal([math.nan, 1, 1, 1, 1, 1]) is None


@pytest.mark.parametrize(
    ("norms", "expected"),
    [
        ((1.0, 2_500.0), "2,500-fold"),
        ((2_500.0, 1.0), "2,500-fold"),
        ((1e-12, 2.0), "1e12-fold"),
        ((0.0, 1.0), "to nothing"),
        ((5e-324, 1e308), "1e631-fold"),
    ],
)
def test_the_change_is_put_in_words(norms, expected):
    assert SignalByDepth(("a", "b"), norms).change == expected

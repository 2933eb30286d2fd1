"""The factor by which a quantity changes from layer to layer."""

import math

import pytest

from experiments.common.factors import factor_per_layer, fitted_factor, mean_factor


def test_the_factor_is_the_mean_change_from_a_layer_to_the_one_before():
    assert factor_per_layer([1.0, 7.0, 4.0]) == pytest.approx(0.5)
    assert mean_factor([[1.0, 7.0, 4.0], [1.0, 1.0]]) == pytest.approx(0.75)


@pytest.mark.parametrize(
    "values", [[1.0], [], [0.0, 0.0], [0.0, 1.0], [math.nan, 1.0], [1.0, math.inf]]
)
def test_without_two_valid_ends_there_is_no_factor(values):
    assert math.isnan(factor_per_layer(values))


def test_the_fitted_factor_is_the_slope_of_a_straight_line_without_vanished_values():
    assert fitted_factor([1, 2, 5], [0.5, 0.25, 0.5**5]) == pytest.approx(0.5)
    assert fitted_factor([1, 2, 9], [0.5, 0.25, 0.0]) == pytest.approx(0.5)
    assert fitted_factor([1, 2, 9], [0.5, 0.25, math.nan]) == pytest.approx(0.5)
    assert math.isnan(fitted_factor([1, 9], [0.5, 0.0]))

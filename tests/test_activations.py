"""The table of activation functions agrees with Keras: values, slopes and saturation bounds."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from vg_keras import activations, theory
from vg_keras.activations import ACTIVATIONS, PREDICTED

SLOPE_LEFT = 1 - 0.97**2  # of tanh where it is 0.97, relative to zero
SATURATING = sorted(name for name, found in ACTIVATIONS.items() if found.saturation)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_slopes_equal_kerass(name):
    x = tf.constant(np.random.default_rng(0).normal(scale=4, size=2000))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = keras.activations.get(name)(x)
    found = ACTIVATIONS[name]

    assert found.function(x.numpy()) == pytest.approx(y.numpy(), abs=2e-6)
    assert found.derivative(x.numpy()) == pytest.approx(tape.gradient(y, x).numpy(), abs=2e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_rectifier_is_zero_for_half_of_all_inputs(name):
    zeros = ACTIVATIONS[name].function(np.linspace(-5, 5, 1000)) == 0

    assert ACTIVATIONS[name].is_rectifier == (zeros.mean() == 0.5)


def curve(name):
    """Returns a Keras activation and its slope relative to that just below zero, in float64."""
    x = np.linspace(-20, 20, 400_001)
    y = keras.activations.get(name)(tf.constant(x)).numpy()
    slope = np.gradient(y, x)
    return x, y, slope / slope[np.searchsorted(x, -2e-4)]


@pytest.mark.parametrize("name", sorted(set(SATURATING) - {"relu6"}))
def test_a_unit_is_saturated_where_its_slope_is_at_most_tanhs_at_0_97(name):
    _, y, slope = curve(name)
    lower, upper = ACTIVATIONS[name].saturation
    is_beyond = (y <= lower) | (y >= upper)
    is_clear = np.abs(slope - SLOPE_LEFT) > 1e-4
    is_clear &= np.convolve(np.abs(np.gradient(slope)) > 0.1, np.ones(5), "same") == 0  # no corner

    assert is_clear.mean() > 0.99
    assert np.all((slope < SLOPE_LEFT)[is_clear] == is_beyond[is_clear])


@pytest.mark.parametrize("name", sorted(set(SATURATING) - {"hard_sigmoid", "hard_tanh", "relu6"}))
def test_at_each_bound_the_slope_just_meets_the_criterion(name):
    _, y, slope = curve(name)
    for bound in filter(math.isfinite, ACTIVATIONS[name].saturation):
        assert slope[np.argmin(np.abs(y - bound))] == pytest.approx(SLOPE_LEFT, rel=1e-3)


def test_relu6_saturates_at_its_upper_bound_but_not_at_zero():
    x = np.linspace(-20, 20, 40_001)
    y = keras.activations.get("relu6")(tf.constant(x)).numpy()
    lower, upper = ACTIVATIONS["relu6"].saturation

    assert np.all((y >= upper) == (x >= 6 - 1e-9))
    assert not np.any(y <= lower)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu", "silu", "linear"])
def test_a_nonsaturating_function_has_no_bounds(name):
    assert ACTIVATIONS[name].saturation is None


def test_theory_supports_exactly_the_tested_functions():
    assert theory.ACTIVATIONS is PREDICTED
    assert set(ACTIVATIONS) - set(PREDICTED) == {"celu", "hard_sigmoid", "hard_tanh", "relu6"}
    with pytest.raises(ValueError, match="`activation` must be one of linear, sigmoid, tanh"):
        activations.get("relu6")

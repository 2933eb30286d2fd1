"""Where an activation function is saturated, and how much of a layer's output is."""

import math

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from sketches import in_modes

from vg_keras.statistics.saturation import BOUNDS, Bounds, saturated_fraction

INF, NAN = math.inf, math.nan
SLOPE_LEFT = 1 - 0.97**2  # of tanh where it is 0.97, relative to zero
BOTH, UPPER, LOWER = Bounds(-0.97, 0.97), Bounds(-INF, 6.0), Bounds(-0.94, INF)
OF_BOUNDS = {
    bounds: in_modes(lambda outputs, b=bounds: saturated_fraction(outputs, b))
    for bounds in (BOTH, UPPER, LOWER)
}


def curve(name):
    """A Keras activation function and its slope relative to that just below zero, in float64."""
    x = np.linspace(-20, 20, 400_001)
    y = keras.activations.get(name)(tf.constant(x)).numpy()
    slope = np.gradient(y, x)
    return x, y, slope / slope[np.searchsorted(x, -2e-4)]


@pytest.mark.parametrize("name", sorted(set(BOUNDS) - {"relu6"}))
def test_a_unit_is_saturated_where_its_slope_is_that_of_tanh_at_0_97(name):
    _, y, slope = curve(name)
    lower, upper = BOUNDS[name]
    is_beyond = (y <= lower) | (y >= upper)
    is_clear = np.abs(slope - SLOPE_LEFT) > 1e-4
    is_clear &= np.convolve(np.abs(np.gradient(slope)) > 0.1, np.ones(5), "same") == 0  # no corner

    assert is_clear.mean() > 0.99
    assert np.all((slope < SLOPE_LEFT)[is_clear] == is_beyond[is_clear])


@pytest.mark.parametrize("name", sorted(set(BOUNDS) - {"hard_sigmoid", "hard_tanh", "relu6"}))
def test_at_each_bound_the_slope_has_just_fallen_so_low(name):
    _, y, slope = curve(name)
    for bound in filter(math.isfinite, BOUNDS[name]):
        assert slope[np.argmin(np.abs(y - bound))] == pytest.approx(SLOPE_LEFT, rel=1e-3)


def test_relu6_is_level_from_its_bound_on_and_its_zeros_are_none_of_this():
    x = np.linspace(-20, 20, 40_001)
    y = keras.activations.get("relu6")(tf.constant(x)).numpy()
    lower, upper = BOUNDS["relu6"]

    assert np.all((y >= upper) == (x >= 6 - 1e-9))
    assert not np.any(y <= lower)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu", "silu", "softplus", "linear"])
def test_a_function_that_does_not_saturate_has_no_bounds(name):
    assert name not in BOUNDS


def twin(values, bounds):
    """The share by its definition, the bounds as float32 holds them."""
    lower, upper = (float(np.float32(bound)) for bound in bounds)
    values = [float(value) for value in np.asarray(values).ravel()]
    beyond = [value for value in values if value <= lower or value >= upper]
    return len(beyond) / len(values) if values else NAN


_normal = np.random.default_rng(0).normal(size=[5, 10])
EXTREMES = [1e-38, -1e38, 1e38, 0.0, -0.0, 1e-45, -1e-40, NAN]
CASES = {
    "usual": np.float32(_normal),
    "float16": np.float16(_normal),
    "bfloat16": _normal.astype(ml_dtypes.bfloat16),
    "float64": _normal,
    "extremes": np.float32(EXTREMES),
    "extremes of float64": np.float64([*EXTREMES, 1e-300, -1e-300]),
    "at the bounds": np.float32([0.97, -0.97, 6.0, -0.94]),
    "just inside of the bounds": np.nextafter(np.float32([0.97, -0.97, 6.0, -0.94]), np.float32(0)),
    "all nan": np.float32([NAN, NAN]),
    "all zero": np.zeros([3], np.float32),
    "one element": np.float32([5]),
    "a scalar": np.float32(7),
    "empty": np.zeros([0, 4], np.float32),
}


@pytest.mark.parametrize("bounds", OF_BOUNDS, ids=["both", "upper", "lower"])
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_the_share_is_that_of_the_twin(mode, bounds):
    share_of = OF_BOUNDS[bounds][mode]
    found = {case: share_of(tf.constant(values)).numpy() for case, values in CASES.items()}
    expected = {case: twin(values, bounds) for case, values in CASES.items()}

    assert found == pytest.approx(expected, rel=1e-12, abs=0, nan_ok=True)


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_an_infinity_is_beyond_a_bound_and_nan_is_not(mode):
    outputs = tf.constant([INF, -INF, NAN, 0.0, NAN])

    assert OF_BOUNDS[BOTH][mode](outputs) == 2 / 5


def test_the_share_of_many_outputs_is_exact():
    outputs = np.zeros(2**25 + 1, np.float16)  # beyond what float32 counts by ones
    outputs[::2] = 1
    share = saturated_fraction(tf.constant(outputs), BOTH)

    assert float(share) == (2**24 + 1) / (2**25 + 1)


def test_the_share_is_a_float64_scalar():
    share = saturated_fraction(tf.ones([2, 3], tf.float16), BOTH)

    assert (share.dtype, share.shape) == (tf.float64, [])


def test_of_saturated_units_keras_says_the_same():
    layer = keras.layers.Dense(64, activation="tanh")
    outputs = layer(3 * tf.random.normal([50, 8]))
    share = float(saturated_fraction(outputs, BOUNDS["tanh"]))

    assert share == np.mean(np.abs(outputs.numpy()) >= np.float32(0.97))
    assert 0.1 < share < 0.9

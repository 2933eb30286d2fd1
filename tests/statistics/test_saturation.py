"""The fraction of a layer's outputs that is saturated."""

import math

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from sketches import in_modes

from vg_keras.activations import ACTIVATIONS, Bounds
from vg_keras.statistics.saturation import saturated_fraction

pytestmark = pytest.mark.slow

INF, NAN = math.inf, math.nan
BOTH, UPPER, LOWER = Bounds(-0.97, 0.97), Bounds(-INF, 6.0), Bounds(-0.94, INF)
OF_BOUNDS = {
    bounds: in_modes(lambda outputs, b=bounds: saturated_fraction(outputs, b))
    for bounds in (BOTH, UPPER, LOWER)
}


def twin(values, bounds):
    """Returns the fraction by its definition, with the bounds rounded to float32."""
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
def test_the_fraction_equals_the_twins(mode, bounds):
    share_of = OF_BOUNDS[bounds][mode]
    found = {case: share_of(tf.constant(values)).numpy() for case, values in CASES.items()}
    expected = {case: twin(values, bounds) for case, values in CASES.items()}

    assert found == pytest.approx(expected, rel=1e-12, abs=0, nan_ok=True)


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_an_infinity_is_beyond_a_bound_but_nan_is_not(mode):
    outputs = tf.constant([INF, -INF, NAN, 0.0, NAN])

    assert OF_BOUNDS[BOTH][mode](outputs) == 2 / 5


def test_the_fraction_of_many_outputs_is_exact():
    outputs = np.zeros(2**25 + 1, np.float16)  # more than float32 can count in steps of one
    outputs[::2] = 1
    share = saturated_fraction(tf.constant(outputs), BOTH)

    assert float(share) == (2**24 + 1) / (2**25 + 1)


def test_the_fraction_is_a_float64_scalar():
    share = saturated_fraction(tf.ones([2, 3], tf.float16), BOTH)

    assert (share.dtype, share.shape) == (tf.float64, [])


def test_the_fraction_agrees_with_keras_activations():
    layer = keras.layers.Dense(64, "tanh", kernel_initializer=keras.initializers.GlorotUniform(0))
    outputs = layer(3 * np.random.default_rng(0).normal(size=[50, 8]).astype("f"))
    share = float(saturated_fraction(outputs, ACTIVATIONS["tanh"].saturation))

    assert share == np.mean(np.abs(outputs.numpy()) >= np.float32(0.97))
    assert 0.1 < share < 0.9

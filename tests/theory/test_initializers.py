"""The variance that theory derives from an initializer, against weights that Keras draws."""

import keras
import numpy as np
import pytest

from vg_keras import theory


def name_of(initializer):
    """Returns a name without the object's address, which differs between processes."""
    return initializer if isinstance(initializer, str) else type(initializer).__name__


INITIALIZERS = [
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "orthogonal",
    keras.initializers.VarianceScaling(0.7, "fan_out", "uniform"),
    keras.initializers.RandomNormal(stddev=0.3),
    keras.initializers.RandomUniform(-0.2, 0.2),
    keras.initializers.Orthogonal(gain=1.5),
    {"class_name": "RandomNormal", "config": {"stddev": 0.3}},
]


@pytest.mark.parametrize(("fan_in", "fan_out"), [(400, 400), (300, 500), (500, 300)])
@pytest.mark.parametrize("initializer", INITIALIZERS, ids=name_of)
def test_the_variance_matches_weights_drawn_by_keras(initializer, fan_in, fan_out):
    drawn = keras.initializers.get(initializer)([fan_in, fan_out])
    variance = fan_in * np.var(keras.ops.convert_to_numpy(drawn))

    assert theory.weight_variance_of(initializer, fan_in, fan_out) == pytest.approx(
        variance, rel=0.02
    )


def test_biases_can_be_zeros_or_random():
    assert theory.bias_variance_of() == 0
    assert theory.bias_variance_of(keras.initializers.RandomNormal(stddev=0.5)) == 0.25


@pytest.mark.parametrize(
    "initializer", ["zeros", "ones", "identity", keras.initializers.Constant(1)]
)
def test_a_nonrandom_initializer_raises(initializer):
    with pytest.raises(ValueError, match="draws random numbers around zero"):
        theory.weight_variance_of(initializer)


def test_an_initializer_with_a_nonzero_mean_raises():
    with pytest.raises(ValueError, match="draws random numbers around zero"):
        theory.weight_variance_of(keras.initializers.RandomUniform(0, 1))


@pytest.mark.parametrize("fans", [(0, None), (3, 0)])
def test_a_nonpositive_width_raises(fans):
    with pytest.raises(ValueError, match="Widths must be positive"):
        theory.weight_variance_of("he_normal", *fans)

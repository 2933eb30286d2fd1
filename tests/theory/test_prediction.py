"""Predictions of theory, against published digits and Keras's own functions."""

import doctest
import subprocess
import sys

import keras
import numpy as np
import pytest

from vg_keras import theory
from vg_keras.theory import prediction

pytestmark = pytest.mark.slow

# S. Schoenholz et al., Deep Information Propagation, and X. Glorot and Y. Bengio, 2010: q* and chi.
PUBLISHED = [
    ("sigmoid", 1, 0, 0.264687, 0.055721),
    ("sigmoid", 1, 1, 1.302134, 0.041960),
    ("sigmoid", 2, 0, 0.555290, 0.100977),
    ("tanh", 1 / 3, 0, 0, 1 / 3),
    ("tanh", 1.76, 0.05, 0.569463, 0.999796),
    ("relu", 1, 0, 0, 0.5),
]


@pytest.mark.parametrize(("activation", "weights", "biases", "q", "chi"), PUBLISHED)
def test_published_digits_are_reproduced(activation, weights, biases, q, chi):
    prediction = theory.mean_field(activation, weights, biases)

    assert prediction.q == pytest.approx(q, abs=5e-7)
    assert prediction.chi == pytest.approx(chi, abs=5e-7)
    assert prediction.factor_per_layer == pytest.approx(np.sqrt(chi), abs=1e-6)


def test_he_initialization_keeps_any_input_variance_under_relu():
    prediction = theory.predict("relu", "he_normal")

    assert np.isnan(prediction.q)
    assert prediction.chi == pytest.approx(1, abs=1e-12)


def test_weights_too_large_for_relu_explode():
    prediction = theory.mean_field("relu", 3, 0.1)

    assert prediction.q == np.inf
    assert prediction.chi == pytest.approx(1.5)


@pytest.mark.parametrize("name", theory.ACTIVATIONS)
def test_functions_and_derivatives_agree_with_keras(name):
    x = np.linspace(-4, 4, 101) + 1e-3
    activation = theory.ACTIVATIONS[name]
    step = 1e-5
    slope = (activation.function(x + step) - activation.function(x - step)) / (2 * step)

    ours = activation.function(x).astype(np.float32)
    assert ours == pytest.approx(
        keras.ops.convert_to_numpy(keras.activations.get(name)(x.astype(np.float32))), abs=2e-6
    )
    assert activation.derivative(x) == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("name", theory.ACTIVATIONS)
def test_the_fixed_point_is_stationary_and_chi_is_a_mean_over_draws(name):
    prediction = theory.mean_field(name, 0.9, 0.2)
    z = np.random.default_rng(0).normal(size=2_000_000)
    activation = theory.ACTIVATIONS[name]
    inputs = np.sqrt(prediction.q) * z

    next_q = 0.9 * np.mean(activation.function(inputs) ** 2) + 0.2
    assert next_q == pytest.approx(prediction.q, rel=0.005)
    assert prediction.chi == pytest.approx(
        0.9 * np.mean(activation.derivative(inputs) ** 2), rel=0.005
    )


@pytest.mark.parametrize("name", theory.ACTIVATIONS)
def test_the_path_matches_a_network_with_random_weights(name):
    random, width = np.random.default_rng(0), 2000
    activation = theory.ACTIVATIONS[name]
    x = random.normal(size=[width, 20])
    q, chi = theory.mean_field_path(name, 1.4, 0.3, q=1.4 + 0.3, depth=3)

    for expected_q, expected_chi in zip(q, chi, strict=True):
        weights = random.normal(scale=np.sqrt(1.4 / width), size=[width, width])
        inputs = weights @ x + random.normal(scale=np.sqrt(0.3), size=[width, 1])
        slopes = activation.derivative(inputs)[:, 0]
        signal = weights.T @ (slopes * random.normal(size=width))
        assert np.mean(inputs**2) == pytest.approx(expected_q, rel=0.1)
        assert np.mean(signal**2) == pytest.approx(expected_chi, rel=0.15)
        x = activation.function(inputs)


def test_a_path_that_starts_at_the_fixed_point_stays_there():
    fixed = theory.mean_field("tanh", 1.76, 0.05)
    q, chi = theory.mean_field_path("tanh", 1.76, 0.05, q=fixed.q, depth=5)

    assert q == pytest.approx([fixed.q] * 5, rel=1e-12)
    assert chi == pytest.approx([fixed.chi] * 5, rel=1e-12)


def test_a_path_from_elsewhere_converges_to_the_fixed_point():
    fixed = theory.mean_field("sigmoid", 1, 1)
    q, chi = theory.mean_field_path("sigmoid", 1, 1, q=9.0, depth=30)

    assert q[0] == 9.0
    assert q[-1] == pytest.approx(fixed.q, rel=1e-9)
    assert chi[-1] == pytest.approx(fixed.chi, rel=1e-9)


def test_a_path_without_layers_or_variance_raises():
    with pytest.raises(ValueError, match=r"`depth` must be at least 1\. Received: depth=0\."):
        theory.mean_field_path("relu", 2.0, q=1.0, depth=0)
    with pytest.raises(ValueError, match=r"must be finite and not negative\. .*, q=-1\.0\."):
        theory.mean_field_path("relu", 2.0, q=-1.0, depth=1)


def test_the_signal_per_unit_also_changes_by_the_ratio_of_layer_widths():
    prediction = theory.predict("relu", "he_normal")

    assert prediction.factor_per_unit(100, 400) == pytest.approx(2)


def test_an_unknown_activation_raises():
    with pytest.raises(ValueError, match="`activation` must be one of linear, sigmoid, tanh"):
        theory.predict("mish")


def test_a_relu_with_a_maximum_raises():
    with pytest.raises(ValueError, match="`activation` must be one of linear, sigmoid, tanh"):
        theory.predict(keras.layers.ReLU(max_value=6))


def test_a_negative_variance_raises():
    with pytest.raises(ValueError, match="must be finite and not negative"):
        theory.mean_field("relu", -1)


@pytest.mark.parametrize("variance", [float("nan"), float("inf")])
def test_a_nonfinite_variance_raises(variance):
    with pytest.raises(ValueError, match="must be finite"):
        theory.mean_field("relu", 1, variance)


def test_layer_settings_are_accepted_as_in_keras():
    by_name = theory.predict("tanh", "orthogonal", "zeros")
    by_object = theory.predict(
        keras.activations.tanh, keras.initializers.Orthogonal(), keras.initializers.Zeros()
    )

    assert by_name == by_object


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (None, "linear"),
        ("swish", "silu"),
        (keras.activations.leaky_relu, "leaky_relu"),
        (keras.layers.LeakyReLU(negative_slope=0.0), "relu"),
        (keras.layers.ELU(alpha=1.0), "elu"),
        (keras.layers.ReLU(), "relu"),
        (keras.layers.ReLU(negative_slope=0.2), "leaky_relu"),
        (keras.layers.Activation("tanh"), "tanh"),
        (theory.leaky_relu(0.2), "leaky_relu"),
    ],
)
def test_an_activation_can_be_given_in_several_ways(given, same):
    assert theory.predict(given, "he_normal").chi == theory.predict(same, "he_normal").chi


def test_biases_and_unequal_widths_are_taken_into_account():
    random_biases = keras.initializers.RandomNormal(stddev=1.0)
    nielsen = theory.predict("sigmoid", "lecun_normal", random_biases, fan_in=30, fan_out=90)

    assert nielsen.factor_per_layer == pytest.approx(0.2048, abs=5e-5)
    assert theory.predict("tanh", fan_in=100, fan_out=300).weight_variance == pytest.approx(0.5)


def test_the_summary_states_whether_the_signal_vanishes():
    assert str(theory.predict("relu", "glorot_normal")) == (
        "q* = 0, chi = 0.5: the backpropagated signal shrinks to 0.707 times its size at each "
        "layer (a factor of 0.031 over ten layers)."
    )
    assert "signal keeps its size at each layer" in str(theory.predict("relu", "he_normal"))
    assert "signal grows to 1.73 times its size" in str(theory.mean_field("linear", 3))


def test_the_docstring_examples_run():
    assert doctest.testmod(prediction).failed == 0
    assert doctest.testmod(prediction).attempted > 0


def test_neither_keras_nor_tensorflow_is_imported():
    code = (
        "import sys; from vg_keras.theory import predict; predict('gelu', 'he_normal'); "
        "sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("activation", "critical"), [("relu", 2), ("linear", 1), ("tanh", 1)])
def test_the_critical_variance_matches_known_values(activation, critical):
    # For tanh, chi is so flat that rounding, which differs between processors, moves it by 1e-8.
    assert theory.critical_weight_variance(activation) == pytest.approx(critical, rel=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "softsign", "selu", "leaky_relu"])
def test_chi_is_one_at_the_critical_variance_and_less_below(activation):
    critical = theory.critical_weight_variance(activation)

    assert theory.mean_field(activation, critical).chi == pytest.approx(1, abs=1e-6)
    assert theory.mean_field(activation, 0.9 * critical).chi < 1


def test_an_activation_that_never_explodes_has_no_critical_variance():
    level = theory.Activation(np.tanh, np.zeros_like)

    assert theory.critical_weight_variance(level) == np.inf


def test_the_chi_of_gelu_jumps_across_one():
    critical = theory.critical_weight_variance("gelu")

    assert theory.mean_field("gelu", critical * (1 + 1e-9)).chi > 1.1
    assert theory.mean_field("gelu", critical * (1 - 1e-9)).chi < 0.9

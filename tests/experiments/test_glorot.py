"""Glorot and Bengio's first step: the small form, the Jacobians, and the expected numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments.common import mlp
from experiments.common.sweep import Work
from experiments.glorot.expected import VARIANCES, checks, theory
from experiments.glorot.experiment import EXAMPLES, INITIALIZERS, answer, measure, singular_values

UNLIKE_LINEAR = "normalized, signal: factor per layer, linear units"
RMS = "RMS singular value, relative to the layer's recorded factor"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One network of each kind, of half the width of the experiment's."""
    work = Work(tmp_path_factory.mktemp("glorot"), None, "cpu")
    return {k: measure((k, 10, 256, 1, 1), work) | theory(VARIANCES[k], 10) for k in VARIANCES}


def failing(results):
    return [check.what for check in checks(results, 10, 512) if not check.held]


def test_the_small_form_has_a_number_per_network_and_layer(small):
    assert len(small["checks"]) == 12
    for numbers in small["numbers"].values():
        assert np.shape(numbers["signal"]) == np.shape(numbers["weight_gradients"]) == (2, 4)
        assert np.shape(numbers["factors"]) == np.shape(numbers["mean_singular_value"]) == (2, 3)
        assert np.all(np.array(numbers["signal"]) > 0)
        assert 0 < sum(numbers["counts"]) <= 2 * EXAMPLES * 3 * 16


@pytest.mark.parametrize("kind", VARIANCES)
def test_both_kinds_of_weights_have_the_variances_passed_to_theory(kind):
    weights = np.array(keras.initializers.get(INITIALIZERS[kind])([600, 600]))
    bound = np.sqrt(3 * VARIANCES[kind] / 600)

    assert 600 * np.var(weights) == pytest.approx(VARIANCES[kind], rel=0.02)
    assert 0.99 * bound < np.abs(weights).max() <= 1.0001 * bound


def test_singular_values_equal_those_of_a_tapes_jacobians():
    model = mlp.network("tanh", 3, 6, "glorot_uniform", biases="random_normal", inputs=5)
    x = np.random.default_rng(0).normal(size=5).astype(np.float32)
    inputs, expected = model.get_layer("hidden_1")(x[np.newaxis]), []
    for name in ("hidden_2", "hidden_3"):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = model.get_layer(name)(inputs)
        jacobian = tape.jacobian(outputs, inputs).numpy()[0, :, 0, :]
        expected.append(np.linalg.svd(jacobian, compute_uv=False))
        inputs = outputs

    found = singular_values(model.get_weights(), x)
    assert found == pytest.approx(np.array(expected), rel=1e-4, abs=1e-6)


def test_theory_for_linear_layers_equals_glorots():
    # So small a variance that tanh is linear from the second layer on.
    found = theory(1e-4, 4)

    assert found["theory_signal"] == pytest.approx([1e-6, 1e-4, 1e-2, 1], rel=1e-3)
    assert found["theory_weight_gradients"] == pytest.approx([1, 1, 1, 1], rel=1e-3)


def test_one_network_of_each_kind_agrees_with_the_paper_and_with_theory(measured):
    assert failing(measured) == [UNLIKE_LINEAR]
    for result in measured.values():
        signal = np.array(result["signal"][0]) / result["signal"][0][-1]
        assert signal == pytest.approx(np.array(result["theory_signal"]), rel=0.12)


@pytest.mark.parametrize(
    ("name", "change", "failed"),
    [
        ("signal_factor", 1.04, "signal: factor per layer, this depth"),
        ("weight_factor", 0.96, "weight gradients: factor per layer, this depth"),
        ("singular_value", 1.15, "mean singular value of a layer's Jacobian"),
        ("factors", [1, 1, 1, 0.9, 1, 1, 1, 1, 1], RMS),
    ],
)
def test_claims_fail_for_differing_values(measured, name, change, failed):
    standard = measured["standard"] | {name: np.multiply(measured["standard"][name], change)}

    assert failing(measured | {"standard": standard}) == [f"standard, {failed}", UNLIKE_LINEAR]


@pytest.mark.parametrize(("factor", "start"), [(0.94, "No. Under"), (0.96, "Not shown here. ")])
def test_the_answer_is_no_only_if_the_signal_shrinks(measured, factor, start):
    standard = measured["standard"] | {"signal_factor": factor}

    assert answer(measured | {"standard": standard}).startswith(start)

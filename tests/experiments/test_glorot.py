"""Glorot and Bengio's first step: the small form, the Jacobians, and the published numbers.

References:
    X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural
    networks, AISTATS 2010, equations 13 and 14 and the singular values after them.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import glorot
from experiments.common import command_line, mlp
from experiments.common.factors import factor_per_layer
from experiments.common.first_steps import FirstSteps
from experiments.common.sweep import Work


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("glorot")
    arguments = [*glorot.SMALL, "--jobs=1", "--quiet", f"--log-dir={folder}", f"--output={folder}"]
    return command_line.main("glorot", arguments), folder


@pytest.fixture(scope="module")
def published_size(tmp_path_factory):
    """One draw of ten layers of 512; the experiment itself makes ten."""
    work = Work(tmp_path_factory.mktemp("runs"), None, "cpu")
    return {
        kind: {
            **glorot.theory(glorot.VARIANCE[kind], 10),
            **glorot.measure((kind, 10, 512, 1, 1), work),
        }
        for kind in glorot.INITIALIZERS
    }


def mean_factor(result, name):
    return np.mean([factor_per_layer(values) for values in result[name]])


def test_the_small_form_saves_its_figure_and_its_numbers(small):
    status, folder = small
    saved = json.loads((folder / "results.json").read_text())

    assert status == 0
    assert (folder / "glorot.png").stat().st_size > 10_000
    assert (folder / "glorot.svg").exists()
    assert len(saved["checks"]) == 12  # the checks for ten layers of 512 are left out
    for kind in ("standard", "normalised"):
        numbers = saved["numbers"][kind]
        assert np.shape(numbers["signal"]) == np.shape(numbers["weight_gradients"]) == (2, 4)
        assert np.shape(numbers["mean_singular_value"]) == (2, 3)
        assert np.all(np.array(numbers["signal"]) > 0)
        assert 0 < sum(numbers["counts"]) <= 2 * glorot.EXAMPLES * 3 * 16


def test_both_kinds_of_weights_have_the_variances_passed_to_theory():
    for kind, initializer in glorot.INITIALIZERS.items():
        weights = np.array(keras.initializers.get(initializer)([600, 600]))
        bound = np.sqrt(3 * glorot.VARIANCE[kind] / 600)

        assert 600 * np.var(weights) == pytest.approx(glorot.VARIANCE[kind], rel=0.02)
        assert 0.99 * bound < np.abs(weights).max() <= 1.0001 * bound


def test_singular_values_equal_those_of_a_tapes_jacobians():
    model = mlp.network("tanh", 3, 6, "glorot_uniform", biases="random_normal", inputs=5)
    x = np.random.default_rng(0).normal(size=5).astype(np.float32)
    found = glorot.singular_values(model.get_weights(), x)
    inputs = model.get_layer("hidden_1")(x[np.newaxis])
    expected = []
    for name in ("hidden_2", "hidden_3"):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = model.get_layer(name)(inputs)
        jacobian = tape.jacobian(outputs, inputs).numpy()[0, :, 0, :]
        expected.append(np.linalg.svd(jacobian, compute_uv=False))
        inputs = outputs

    assert found == pytest.approx(np.array(expected), rel=1e-4, abs=1e-6)


def test_signal_and_weight_gradients_of_a_first_step_equal_a_tapes():
    network = mlp.network("tanh", 3, 7, "glorot_uniform", inputs=5)
    before = network.get_weights()
    step = FirstSteps(seed=3).of(network)
    labels = np.random.default_rng(3)
    labels.normal(size=[256, 5])
    y = labels.integers(0, 10, 256)
    with tf.GradientTape(persistent=True) as tape:
        outputs, values = [], tf.constant(step.x)
        for layer in network.layers[1:]:
            values = layer(values)
            outputs.append(values)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, values))
    signal = [np.sqrt(np.mean(tape.gradient(loss, out).numpy() ** 2)) for out in outputs[:3]]
    kernels = [layer.kernel.value for layer in network.layers[1:4]]
    weights = [np.mean(np.abs(tape.gradient(loss, kernel).numpy())) for kernel in kernels]

    assert step.signal == pytest.approx(signal, rel=1e-4)
    assert step.weight_gradients == pytest.approx(weights, rel=1e-4)
    assert all(map(np.array_equal, before, network.get_weights()))
    assert all(map(np.array_equal, before, step.weights))


def test_theory_for_linear_layers_equals_glorots():
    # So small a variance that tanh is linear from the second layer on.
    found = glorot.theory(1e-4, 4)

    assert found["theory_signal"] == pytest.approx([1e-6, 1e-4, 1e-2, 1], rel=1e-3)
    assert found["theory_weight_gradients"] == pytest.approx([1, 1, 1, 1], rel=1e-3)


def test_the_signal_vanishes_under_the_standard_initialization(published_size):
    factor = mean_factor(published_size["standard"], "signal")

    assert factor == pytest.approx(np.sqrt(1 / 3), rel=0.05)


def test_the_weight_gradients_are_flat_under_both(published_size):
    for result in published_size.values():
        assert mean_factor(result, "weight_gradients") == pytest.approx(1, rel=0.05)


def test_the_signal_at_every_layer_agrees_with_theory(published_size):
    for result in published_size.values():
        signal = np.array(result["signal"])
        relative = (signal / signal[:, -1:]).mean(axis=0)

        assert relative == pytest.approx(np.array(result["theory_signal"]), rel=0.12)


@pytest.mark.parametrize(("kind", "mean"), [("standard", 0.5), ("normalised", 0.8)])
def test_mean_singular_values_agree_with_the_published_ones(published_size, kind, mean):
    assert np.mean(published_size[kind]["mean_singular_value"]) == pytest.approx(mean, rel=0.1)


def test_the_rms_singular_value_equals_the_recorded_factor_of_its_layer(published_size):
    for result in published_size.values():
        signal = np.array(result["signal"])
        recorded = (signal[:, :-1] / signal[:, 1:]).mean(axis=0)

        assert np.mean(result["rms_singular_value"], axis=0) == pytest.approx(recorded, rel=0.05)

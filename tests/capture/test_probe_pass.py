"""A probe's gradients are those of its own batch, and taking them leaves the model unchanged."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import compiled, mlp, regression_data, reset_keras

from vg_keras.capture.plan import Choice
from vg_keras.capture.probe_pass import ProbePass
from vg_keras.probe import Probe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

BATCH, TARGETS = regression_data(1)
WEIGHTS = np.linspace(0, 1, len(BATCH)).astype(np.float32)


def record_of(probe_pass, step=3):
    """The record that a pass leaves."""
    probe_pass.run(step)
    (replicas,) = probe_pass.observer.read()
    return probe_pass.observer.decoder().record(replicas, (), 0.0)


def norms(record):
    return [gradient.norm for gradient in record.gradients.values()]


def squared_errors(model, **how):
    """The mean squared error of each example."""
    return tf.reduce_mean((model(BATCH, **how) - TARGETS) ** 2, axis=1)


def expected_norms(model, loss):
    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, model.trainable_variables)
    return pytest.approx([np.linalg.norm(gradient) for gradient in gradients], rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("how", [{"run_eagerly": True}, {}, {"jit_compile": True}], ids=str)
def test_the_gradients_are_those_of_the_loss_on_the_probe(how):
    model = compiled(mlp(), **how)
    probe_pass = ProbePass(model, Probe(BATCH, TARGETS, WEIGHTS), Choice())
    expected = expected_norms(model, lambda: tf.reduce_mean(WEIGHTS * squared_errors(model)))

    assert norms(record_of(probe_pass)) == expected


def test_each_run_takes_the_weights_of_its_step():
    model = compiled(mlp(depth=0))
    probe_pass = ProbePass(model, Probe(BATCH, TARGETS), Choice())
    first = record_of(probe_pass, 3)
    kernel = model.trainable_variables[0]
    kernel.assign(5 * kernel)
    second = record_of(probe_pass, 8)
    expected = expected_norms(model, lambda: tf.reduce_mean(squared_errors(model)))

    assert (first.step, second.step) == (3, 8)
    assert norms(second) == expected
    assert norms(second) != norms(first)


def regularizing_model():
    """A model with running statistics, random seeds and a metric."""
    reset_keras()
    hidden = [layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.5, seed=1)]
    model = keras.Sequential([keras.Input([4]), *hidden, layers.Dense(2)])
    return compiled(model, keras.optimizers.Adam(), metrics=["mae"])


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_no_variable_changes_and_the_dropout_mask_stays(run_eagerly):
    model = regularizing_model()
    model.run_eagerly = run_eagerly
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    seeds = [v for v in model.non_trainable_variables if "seed" in v.path]
    before = [np.array(v) for v in variables]
    probe_pass = ProbePass(model, Probe(BATCH, TARGETS), Choice())
    first = record_of(probe_pass)
    after = [np.array(v) for v in variables]
    for seed in seeds:
        seed.assign(seed + 17)  # as the training in between does
    second = record_of(probe_pass)

    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert len(seeds) == 1
    assert norms(first) == norms(second)
    assert first.activations == second.activations


def test_outside_of_training_mode_there_is_no_dropout():
    model = regularizing_model()
    probe_pass = ProbePass(model, Probe(BATCH, TARGETS, training=False), Choice())
    loss = functools.partial(squared_errors, model, training=False)

    assert norms(record_of(probe_pass)) == expected_norms(model, lambda: tf.reduce_mean(loss()))


def test_a_loss_of_the_user_is_differentiated():
    def loss(model, x, y):
        return 3 * tf.reduce_sum(model(x) * y)

    model = mlp(depth=0)
    probe_pass = ProbePass(model, Probe(BATCH, TARGETS, loss=loss), Choice())

    assert norms(record_of(probe_pass)) == [
        pytest.approx(np.linalg.norm(3 * BATCH.T @ TARGETS), rel=1e-5),
        pytest.approx(np.linalg.norm(3 * TARGETS.sum(axis=0)), rel=1e-5),
    ]


def test_a_model_without_input_shape_is_built():
    reset_keras()
    model = compiled(keras.Sequential([layers.Dense(3), layers.Dense(2)]))
    record = record_of(ProbePass(model, Probe(BATCH, TARGETS), Choice()))

    assert len(record.gradients) == 4
    assert record.examples == {"sequential/dense": 8, "sequential/dense_1": 8}


def test_a_probe_makes_no_updates_and_so_measures_none():
    choice = Choice(optimizer_state=True, weights=True)
    probe_pass = ProbePass(compiled(mlp()), Probe(BATCH, TARGETS), choice)
    record = record_of(probe_pass)

    assert probe_pass.choice == Choice(updates=False, optimizer_state=False, weights=True)
    assert record.update_norms == {}
    assert record.first_moments == {}
    assert len(record.weights) == 4

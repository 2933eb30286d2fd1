"""How often Python runs a model: no more than documented, because tracing takes seconds."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import (
    BATCH_SIZE,
    CustomTrainStep,
    compiled,
    fit,
    light_monitor,
    regression_data,
    reset_keras,
)

from vg_keras import GradientMonitor, Probe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]


class CountsCalls(layers.Layer):
    """Counts how often Python runs it, that is, once per trace."""

    num_calls = 0

    def call(self, x):
        self.num_calls += 1
        return x


def counting():
    """A model with a built optimizer, because a function that creates variables is traced twice."""
    reset_keras()
    counts = CountsCalls(name="counts")
    model = keras.Sequential([keras.Input([4]), layers.Dense(4, "relu"), counts, layers.Dense(2)])
    compiled(model).optimizer.build(model.trainable_variables)
    counts.num_calls = 0
    return model, counts


PLAIN, RECORDING, PROBE = 1, 1, 1


@pytest.mark.parametrize(
    ("update_freq", "with_probe", "expected"),
    [
        (3, False, PLAIN + RECORDING),
        (3, True, PLAIN + RECORDING + PROBE),
        ("batch", False, RECORDING),
        ("batch", True, RECORDING + PROBE),
    ],
)
def test_a_model_is_traced_once_per_purpose_over_several_fits(update_freq, with_probe, expected):
    model, counts = counting()
    x, y = regression_data(7)
    probe = (x[:3], y[:3]) if with_probe else None
    monitor = GradientMonitor(None, update_freq, probe=probe)
    for _ in range(3):
        fit(model, x, y, [monitor], epochs=2)

    assert counts.num_calls == expected


@pytest.mark.parametrize("update_freq", [3, "batch"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "mixed precision"])
def test_an_optimizer_built_late_causes_no_further_trace(update_freq, optimizer):
    if optimizer == "mixed precision":
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    reset_keras()
    counts = CountsCalls(name="counts")
    model = keras.Sequential([keras.Input([4]), layers.Dense(4, "relu"), counts, layers.Dense(2)])
    compiled(model, optimizer)
    counts.num_calls = 0
    fit(model, *regression_data(4), [light_monitor(None, update_freq)])

    assert counts.num_calls == (RECORDING if update_freq == "batch" else PLAIN + RECORDING)


@pytest.mark.parametrize(
    ("optimizer", "strategy"),
    [
        *((optimizer, None) for optimizer in ("sgd", "adam", "lion", "loss scale")),
        ("sgd", "two replicas"),
        ("loss scale", "two replicas"),
    ],
)
def test_the_variables_of_an_optimizer_are_those_created_by_fit(optimizer, strategy, two_replicas):
    def variables(monitors):
        reset_keras()
        with two_replicas.scope() if strategy else contextlib.nullcontext():
            chosen = optimizer
            if optimizer == "loss scale":
                chosen = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
            model = keras.Sequential([keras.Input([4]), layers.Dense(3, "relu"), layers.Dense(2)])
            compiled(model, chosen)
        fit(model, *regression_data(3), monitors)
        return [(v.path, v.dtype, np.array(v).tolist()) for v in model.optimizer.variables]

    assert variables([light_monitor(None, 2)]) == variables([])


def test_a_custom_train_step_creates_its_optimizers_variables():
    keras.utils.clear_session()
    model = CustomTrainStep()
    x, y = regression_data(4)
    model(x[:1])
    fit(compiled(model, "adam"), x, y, [light_monitor(None, 3)])

    assert model.num_traces == 2 * PLAIN + RECORDING


def test_a_probe_causes_no_further_trace_of_a_custom_train_step():
    keras.utils.clear_session()
    model = CustomTrainStep()
    x, y = regression_data(7)
    model(x[:1])
    compiled(model).optimizer.build(model.trainable_variables)

    def loss(model, x, y):
        return tf.reduce_mean(tf.square(model(x) - y))

    monitor = GradientMonitor(None, 3, probe=Probe(x[:3], y[:3], loss=loss))
    for _ in range(2):
        fit(model, x, y, [monitor])

    assert model.num_traces == PLAIN + RECORDING
    assert len(monitor.probe_records) == len(monitor.records) > 0


def test_several_steps_per_execution_cause_no_further_trace():
    def traces(monitors):
        model, counts = counting()
        compiled(model, model.optimizer, steps_per_execution=3)
        for _ in range(2):
            fit(model, *regression_data(6), monitors)
        return counts.num_calls

    assert traces([light_monitor(None, 4)]) <= 2 * traces([])


@pytest.mark.parametrize(("update_freq", "expected"), [(2, PLAIN + RECORDING), (1, RECORDING)])
def test_a_watched_function_is_traced_once_per_purpose(update_freq, expected):
    model, counts = counting()
    x, y = regression_data(6)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)

    monitor = light_monitor(None, update_freq)
    for _ in range(2):
        with monitor.watch(model) as watch:
            for start in range(0, len(x), BATCH_SIZE):
                with watch.step():
                    step(x[start : start + BATCH_SIZE], y[start : start + BATCH_SIZE])

    assert counts.num_calls == expected
    assert [record.step for record in monitor.records] == list(range(0, 12, update_freq))


def test_validation_and_prediction_trace_no_monitoring_code():
    def traces(monitors):
        model, counts = counting()
        x, y = regression_data(4)
        for _ in range(2):
            fit(model, x, y, monitors, validation_data=(x, y))
            model.predict(np.zeros([8, 4]), verbose=0)
        return counts.num_calls

    assert traces([GradientMonitor(None, "batch")]) == traces([])

"""Unusual models and data train unchanged, and as much as possible is recorded."""

import threading
from collections import namedtuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from reference import weights_of
from small_models import CallAt, compiled, fit, mlp, regression_data, reset_keras

from vg_keras import GradientMonitor

pytestmark = pytest.mark.slow
as_traced = pytest.mark.usefixtures("graphs_as_traced")

Pair = namedtuple("Pair", "first second")


class Scale(layers.Layer):
    """Multiplies by its weights, and outputs what a given function makes of the product."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def build(self, shape):
        self.scale = self.add_weight(shape=[4], initializer="ones", name="scale")

    def call(self, x):
        return self.outputs(x * self.scale)


class Around(keras.Model):
    """A Scale layer, a function of its outputs, and a last layer."""

    def __init__(self, outputs, then):
        super().__init__()
        self.inner, self.then, self.last = Scale(outputs), then, layers.Dense(2)

    def call(self, x):
        return self.last(self.then(self.inner(x)))


def without_shape(x):
    """Returns the same values with a rank that is unknown to TensorFlow."""

    @tf.custom_gradient
    def hidden(x):
        return tf.numpy_function(np.copy, [x], tf.float32), lambda upstream: upstream

    return hidden(x)


OUTPUTS = {
    "a dictionary, in its own order": (
        lambda x: {"b": x, "a": 2 * x},
        lambda o: next(iter(o.values())),
    ),
    "keys of several types": (lambda x: {1: x, "a": 2 * x}, lambda o: o[1]),
    "a named tuple, integers first": (lambda x: Pair(tf.constant(1), x), lambda o: o.second),
    "None among others": (lambda x: (None, [x, None]), lambda o: o[1][0]),
    "a scalar": (tf.reduce_sum, lambda o: tf.ones([8, 4]) * o),
    "float16": (lambda x: tf.cast(x, tf.float16), lambda o: tf.cast(o, tf.float32)),
    "complex numbers": (lambda x: tf.complex(x, x), tf.math.real),
    "an unknown rank": (without_shape, lambda o: tf.ensure_shape(o, [None, 4])),
}
both_ways = pytest.mark.parametrize("eagerly", [False, True], ids=["graph", "eager"])


def trained(make, data, eagerly, monitors):
    reset_keras()
    model = compiled(make(), keras.optimizers.SGD(0.05), run_eagerly=eagerly)
    fit(model, *data, monitors, batch_size=None if isinstance(data[0], tf.data.Dataset) else 8)
    return weights_of(model)


def monitored(make, data, eagerly):
    """Trains with and without a monitor, checks that both agree, and returns the monitor."""
    monitor = GradientMonitor(None, "batch", weights=True)
    weights = trained(make, data, eagerly, [monitor])

    assert weights == trained(make, data, eagerly, [])
    return monitor


@both_ways
@pytest.mark.parametrize(("outputs", "then"), OUTPUTS.values(), ids=OUTPUTS)
def test_a_layer_with_an_unusual_output_trains_unchanged(outputs, then, eagerly):
    monitor = monitored(lambda: Around(outputs, then), regression_data(3), eagerly)

    assert [len(record.gradients) for record in monitor.records] == [3, 3, 3]
    assert "around/dense" in monitor.records[-1].activations


@both_ways
def test_a_layer_with_ragged_outputs_trains_unchanged(eagerly):
    rows = tf.RaggedTensor.from_row_lengths(tf.ones([48, 4]), 8 * [1, 2, 3])
    data = tf.data.Dataset.from_tensor_slices((rows, np.zeros([24, 2]))).batch(8)

    def make():
        return Around(lambda x: x, lambda o: tf.reduce_sum(o, axis=1))

    def ragged(self, x):
        return x.with_flat_values(x.flat_values * self.scale)

    def made():
        model = make()
        vars(model.inner)["call"] = ragged.__get__(model.inner)
        return model

    monitor = monitored(made, (data, None), eagerly)

    assert [len(record.gradients) for record in monitor.records] == [3, 3, 3]


@both_ways
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_a_batch_without_examples_trains_unchanged(eagerly):
    def batches():
        x, y = regression_data(1)
        for size in (8, 0, 8):
            yield x[:size], y[:size]

    signature = (tf.TensorSpec([None, 4]), tf.TensorSpec([None, 2]))
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    monitor = monitored(mlp, (data, None), eagerly)

    assert [record.examples["sequential/dense"] for record in monitor.records] == [8, 0, 8]


@pytest.mark.parametrize(("value", "eagerly"), [(np.nan, False), (np.inf, False), (np.nan, True)])
def test_nonfinite_inputs_train_unchanged(value, eagerly):
    x, y = regression_data(3)
    x[0, 0] = value
    monitor = monitored(mlp, (x, y), eagerly)

    gradients = monitor.records[0].gradients.values()
    assert sum(gradient.nans for gradient in gradients) > 0


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "float64"])
def test_a_model_of_a_single_dtype_is_recorded(policy):
    monitor = monitored(lambda: mlp(policy=policy), regression_data(3), False)

    assert [len(record.activation_gradients) for record in monitor.records] == [2, 2, 2]


@both_ways
def test_an_activation_layer_can_be_called_on_several_dtypes_and_widths(eagerly):
    class Shared(keras.Model):
        def __init__(self):
            super().__init__()
            self.wide, self.narrow, self.last = map(layers.Dense, (8, 4, 2))
            self.relu = layers.ReLU(autocast=False)

        def call(self, x):
            half = self.relu(tf.cast(self.narrow(self.relu(self.wide(x))), tf.float16))
            return self.last(tf.cast(half, tf.float32))

    monitor = monitored(Shared, regression_data(3), eagerly)

    assert monitor.records[0].activations["shared/re_lu"].count == 8 * (8 + 4)
    # No unit is the same in both widths.
    assert "shared/re_lu" not in monitor.records[-1].dead_units


def model_without_weights():
    return keras.Sequential([keras.Input([4]), layers.ReLU()])


def frozen_model():
    model = mlp()
    model.trainable = False
    return model


@as_traced
@pytest.mark.parametrize("make", [model_without_weights, frozen_model])
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights:UserWarning")
def test_a_model_with_nothing_to_train_warns_once(make):
    x, y = regression_data(3, outputs=make().output_shape[-1])
    with pytest.warns(UserWarning, match="GradientMonitor|The train step") as caught:
        monitor = monitored(make, (x, y), eagerly=False)

    ours = [str(w.message) for w in caught if "trainable weights" not in str(w.message)]
    assert len(ours) == 1
    assert "passed no gradient of a monitored variable" in ours[0]
    assert monitor.records == []


@as_traced
@pytest.mark.filterwarnings("ignore:Another `fit`, of the model:UserWarning")
def test_a_nested_fit_of_another_model_with_the_same_monitor_restores_both():
    outer, inner = compiled(mlp()), compiled(mlp(depth=2))
    for model in (outer, inner):
        fit(model, *regression_data(1))
    functions = [model.train_function for model in (outer, inner)]
    monitor = GradientMonitor(None, "batch")
    train = CallAt("on_train_batch_end", lambda model: fit(inner, *regression_data(2), [monitor]))
    fit(outer, *regression_data(3), [monitor, train])

    assert [model.train_function for model in (outer, inner)] == functions


@as_traced
def test_two_models_can_be_monitored_in_two_threads_at_once():
    monitors = [GradientMonitor(None, "batch") for _ in range(2)]
    models = [compiled(mlp(depth=depth)) for depth in (1, 2)]
    x, y = regression_data(40)
    threads = [
        threading.Thread(target=fit, args=(model, x, y, [monitor]))
        for model, monitor in zip(models, monitors, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [len(monitor.records) for monitor in monitors] == [40, 40]
    for model, monitor in zip(models, monitors, strict=True):
        assert [len(r.activations) for r in monitor.records] == 40 * [len(model.layers)]


def test_calling_the_model_in_another_thread_does_not_disturb_a_recorded_step():
    model = compiled(mlp(), run_eagerly=True)
    x, y = regression_data(20)
    is_over = threading.Event()

    def predict():
        while not is_over.is_set():
            model(x[:3])

    thread = threading.Thread(target=predict)
    monitor = GradientMonitor(None, "batch")
    thread.start()
    fit(model, x, y, [monitor])
    is_over.set()
    thread.join()

    assert [r.examples["sequential/dense"] for r in monitor.records] == 20 * [8]
    assert "call" not in vars(model.layers[0])

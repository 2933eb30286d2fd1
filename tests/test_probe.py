"""A probe records one fixed batch at each recorded step, without changing the training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from event_files import tags_in
from keras import layers
from reference import assert_is_sketch_of, gradients_by_tape, weights_of
from small_models import BATCH_SIZE, compiled, fit, light_monitor, mlp, regression_data, reset_keras

from vg_keras import GradientMonitor, Probe, read_run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

X, Y = regression_data(5)
PROBE = (X[-12:], Y[-12:])


class Weighing(keras.Model):
    """Normalizes, drops out, adds a loss, updates a metric: all that a forward pass can change."""

    def __init__(self):
        super().__init__(name="weighing")
        self.hidden = layers.Dense(8, kernel_regularizer="l2")
        self.normalization = layers.BatchNormalization()
        self.dropout = layers.Dropout(0.5, seed=7)
        self.out = layers.Dense(2)
        self.mean = keras.metrics.Mean(name="mean_output")

    def call(self, x, training=None):
        hidden = self.normalization(self.hidden(x), training=training)
        hidden = self.dropout(hidden, training=training)
        self.add_loss(0.1 * keras.ops.mean(hidden**2))
        output = self.out(hidden)
        self.mean.update_state(output)
        return output


def weighing(**how):
    reset_keras()
    model = Weighing()
    model(X[:1])
    return compiled(model, keras.optimizers.SGD(0.1, momentum=0.9), metrics=["mae"], **how)


WAYS = {
    "graph": {},
    "jit_compile": {"jit_compile": True},
    "run_eagerly": {"run_eagerly": True},
    "steps_per_execution": {"steps_per_execution": 2},
}


def trained(how, **settings):
    """Trains with a monitor."""
    model = weighing(**how)
    monitor = GradientMonitor(None, "batch", **settings)
    history = fit(model, X, Y, [monitor], epochs=2)
    state = [v.numpy().tobytes() for v in model.non_trainable_variables]
    return weights_of(model), state, history.history


# XLA compiles the same pass, see the next test.
@pytest.mark.grappler
@pytest.mark.parametrize("way", ["graph", "run_eagerly", "steps_per_execution"])
def test_a_probe_does_not_change_training(way):
    with_probe = trained(WAYS[way], probe=PROBE)
    without = trained(WAYS[way])

    assert with_probe == without


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
def test_a_probe_records_the_gradients_of_its_batch_at_the_steps_weights(tmp_path, how):
    model = compiled(mlp(depth=2, activation="tanh"), **how)
    monitor = light_monitor(tmp_path, "batch", probe=PROBE)
    expected = {0: gradients_by_tape(model, *PROBE)}
    fit(model, X[: 2 * BATCH_SIZE], Y[: 2 * BATCH_SIZE], [monitor])
    expected[2] = gradients_by_tape(model, *PROBE)
    fit(model, X, Y, [monitor])

    trainings = read_run(tmp_path / "probe").trainings
    read = [record for training in trainings for record in training.records]
    for records in (monitor.probe_records, read):
        by_step = {record.step: record for record in records}
        for step, gradients in expected.items():
            assert list(by_step[step].gradients) == list(gradients)
            for path, gradient in gradients.items():
                assert_is_sketch_of(by_step[step].gradients[path], gradient)


def test_a_probe_records_layer_outputs_but_no_updates(tmp_path):
    monitor = GradientMonitor(tmp_path, 100, probe=PROBE)
    fit(compiled(mlp(depth=1)), X, Y, [monitor])

    (record,) = monitor.probe_records
    assert list(record.activations) == list(record.activation_gradients)
    assert record.examples == {"sequential/dense": 12, "sequential/dense_1": 12}
    assert record.update_norms == {}
    assert "2_log10_activation_gradient_norm/01_dense" in tags_in(tmp_path / "probe")
    assert not [tag for tag in tags_in(tmp_path / "probe") if tag.startswith("update_ratio")]


def test_two_models_can_be_compared_on_the_same_batch():
    def norms_of(model, *data):
        monitor = light_monitor(None, probe=PROBE)
        fit(compiled(model), *data, [monitor])
        return [sketch.norm for sketch in monitor.probe_records[0].gradients.values()]

    assert norms_of(mlp(), X, Y) == norms_of(mlp(), -X[:16], 3 * Y[:16])


def test_the_dropout_masks_of_a_probe_are_the_same_at_every_step():
    reset_keras()
    model = compiled(
        keras.Sequential([keras.Input([4]), layers.Dropout(0.5, seed=3), layers.Dense(2)]),
        keras.optimizers.SGD(0.0),
    )
    monitor = light_monitor(None, "batch", probe=PROBE)
    fit(model, X, Y, [monitor])

    norms = {record.gradients["sequential/dense/kernel"].norm for record in monitor.probe_records}
    assert len(monitor.probe_records) == 5
    assert len(norms) == 1


def test_a_probe_can_run_in_inference_mode():
    model = weighing()
    expected = gradients_by_tape(model, *PROBE, training=False)
    monitor = light_monitor(None, probe=Probe(*PROBE, training=False))
    fit(model, X, Y, [monitor])

    for path, gradient in expected.items():
        assert_is_sketch_of(monitor.probe_records[0].gradients[path], gradient)


def test_a_probe_can_have_sample_weights():
    weights = np.linspace(0, 2, 12).astype(np.float32)
    model = compiled(mlp(depth=1))
    expected = gradients_by_tape(model, *PROBE, weights)
    monitor = light_monitor(None, probe=(*PROBE, weights))
    fit(model, X, Y, [monitor])

    for path, gradient in expected.items():
        assert_is_sketch_of(monitor.probe_records[0].gradients[path], gradient)


def test_a_probe_can_have_its_own_loss():
    def loss(model, x, y):
        return tf.reduce_mean(tf.abs(model(x) - y))

    model = compiled(mlp(depth=1))
    with tf.GradientTape() as tape:
        value = loss(model, *PROBE)
    variables = model.trainable_variables
    gradients = tape.gradient(value, [v.value for v in variables])
    monitor = light_monitor(None, probe=Probe(*PROBE, loss=loss))
    fit(model, X, Y, [monitor])

    for variable, gradient in zip(variables, gradients, strict=True):
        assert_is_sketch_of(monitor.probe_records[0].gradients[variable.path], gradient.numpy())


def test_a_probe_of_an_unbuilt_model_is_recorded():
    reset_keras()
    model = compiled(keras.Sequential([layers.Dense(3, "relu"), layers.Dense(2)]))
    monitor = light_monitor(None, "batch", probe=PROBE)
    fit(model, X, Y, [monitor])

    assert [record.step for record in monitor.probe_records] == [0, 1, 2, 3, 4]
    assert [len(record.gradients) for record in monitor.records] == [4] * 5


def test_a_probe_is_recorded_in_a_custom_loop():
    model = mlp(depth=1)
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(loss="mse")
    expected = gradients_by_tape(model, *PROBE)
    monitor = light_monitor(None, probe=PROBE)
    with monitor.watch(model, optimizer) as watch, watch.step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X) - Y) ** 2)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    for path, gradient in expected.items():
        assert_is_sketch_of(monitor.probe_records[0].gradients[path], gradient)


def test_a_named_probe_is_written_to_a_run_of_that_name(tmp_path):
    monitor = light_monitor(tmp_path, 100, probe=Probe(*PROBE, name="test_digits"))
    fit(compiled(mlp()), X, Y, [monitor])

    assert len(read_run(tmp_path / "test_digits").latest.records) == 1


@pytest.mark.parametrize(
    ("probe", "error", "message"),
    [
        ([X, Y], TypeError, r"Received: a list\.$"),
        ((X,), TypeError, r"Received: a tuple\.$"),
        ((X[:0], Y[:0]), ValueError, r"Received: arrays of 0 examples\.$"),
        ((X[:3], Y[:4]), ValueError, r"Received: arrays of 3, 4 examples\.$"),
    ],
)
def test_an_invalid_probe_raises_at_once(probe, error, message):
    with pytest.raises(error, match=message):
        GradientMonitor(None, probe=probe)


@pytest.mark.parametrize("name", ["", "gradients", "train", "a/b", ".."])
def test_the_name_of_a_probe_must_be_a_run_of_its_own(name):
    with pytest.raises(ValueError, match="`name` must be a plain directory name"):
        Probe(*PROBE, name=name)


def test_a_probe_that_does_not_fit_the_model_raises_before_the_first_step():
    model = compiled(mlp())
    before = weights_of(model)
    with pytest.raises(ValueError, match="`probe` must be a batch that the model can"):
        fit(model, X, Y, [GradientMonitor(None, probe=(X[:, :3], Y))])

    assert weights_of(model)[:4] == before[:4]

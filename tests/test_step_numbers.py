"""Step numbers do not depend on how a train step uses its optimizers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import compiled, fit, light_monitor, regression_data, reset_keras

from vg_keras import GradientMonitor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

X = np.random.default_rng(0).normal(size=[80, 4]).astype("f")

WAYS = {
    "graph": {},
    "eager": {"run_eagerly": True},
    "xla": {"jit_compile": True},
    "several steps": {"steps_per_execution": 4},
}


def steps_of(monitor):
    return [record.step for record in monitor.records]


class TwoParts(keras.Model):
    """A critic that is trained several times in each step, and a generator that is trained once.

    The compiled optimizer is not used, as in Keras's own example.
    """

    def __init__(self, critic_steps=1):
        super().__init__()
        self.critic_steps = critic_steps
        self.critic, self.generator = layers.Dense(4), layers.Dense(4)
        self.optimizers = [keras.optimizers.SGD(0.01), keras.optimizers.SGD(0.01)]

    def call(self, x):
        return self.critic(self.generator(x))

    def train_step(self, x):
        parts = [(self.optimizers[0], self.critic)] * self.critic_steps
        for optimizer, part in [*parts, (self.optimizers[1], self.generator)]:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(part(x) ** 2)
            optimizer.apply(tape.gradient(loss, part.trainable_weights), part.trainable_weights)
        return {"loss": loss}


def two_parts(critic_steps=1, **how):
    reset_keras()
    model = TwoParts(critic_steps)
    model(X[:1])
    model.compile(**{"jit_compile": False, **how})
    return model


@pytest.mark.parametrize(
    ("critic_steps", "way"), [(1, "graph"), (1, "several steps"), *((3, way) for way in WAYS)]
)
def test_unused_and_repeatedly_used_optimizers_do_not_change_the_numbers(critic_steps, way):
    monitor = light_monitor(None, 3)
    fit(two_parts(critic_steps, **WAYS[way]), X, None, [monitor], epochs=2)

    assert steps_of(monitor) == [0, 3, 6, 9, 12, 15, 18]
    assert all(len(record.gradients) == 4 for record in monitor.records)


def test_a_second_fit_continues_the_count_of_steps():
    model = two_parts(critic_steps=3)
    monitor = light_monitor(None, 4)
    for _ in range(2):
        fit(model, X, None, [monitor])

    assert steps_of(monitor) == [0, 4, 8, 12, 16]


class Accumulating(keras.Sequential):
    """Applies the mean gradient of four batches."""

    def build(self, shape):
        super().build(shape)
        zeros = [tf.zeros_like(v) for v in self.trainable_variables]
        self.totals = [tf.Variable(zero, trainable=False) for zero in zeros]
        self.num_batches = tf.Variable(0, trainable=False)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        for total, gradient in zip(self.totals, gradients, strict=True):
            total.assign_add(gradient / 4)
        self.num_batches.assign_add(1)
        tf.cond(self.num_batches % 4 == 0, self.apply_totals, lambda: None)
        return {"loss": loss}

    def apply_totals(self):
        self.optimizer.apply([tf.identity(t) for t in self.totals], self.trainable_variables)
        for total in self.totals:
            total.assign(tf.zeros_like(total))


POSTPONED = [(100, [3]), (6, [3, 7, 15, 19]), ("epoch", [3, 11]), (1, [3, 7, 11, 15, 19])]


@pytest.mark.parametrize(
    ("update_freq", "expected", "how"),
    [
        *((*case, WAYS[way]) for case in POSTPONED for way in ("graph", "eager", "several steps")),
        (*POSTPONED[1], WAYS["xla"]),
    ],
)
def test_a_due_step_that_applies_nothing_is_postponed(update_freq, expected, how):
    reset_keras()
    model = Accumulating([keras.Input([4]), layers.Dense(1)])
    compiled(model, "sgd", **how).optimizer.build(model.trainable_variables)
    monitor = light_monitor(None, update_freq)
    fit(model, X, X[:, :1], [monitor], epochs=2)

    assert steps_of(monitor) == expected


@pytest.mark.filterwarnings("ignore:The activation gradients of:UserWarning")
def test_training_that_ends_before_anything_is_applied_warns():
    reset_keras()
    model = Accumulating([keras.Input([4]), layers.Dense(1)])
    compiled(model, "sgd").optimizer.build(model.trainable_variables)
    with pytest.warns(UserWarning, match="nothing is recorded") as caught:
        fit(model, X[:16], X[:16, :1], [GradientMonitor(None)])

    (message,) = [str(warning.message) for warning in caught]
    assert message == (
        "In the due steps of the model 'accumulating', no optimizer was applied to a monitored "
        "variable: nothing is recorded."
    )


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}, {"steps_per_execution": 4}])
def test_steps_on_data_of_unknown_length_are_numbered_without_gaps(how):
    data = tf.data.Dataset.from_tensor_slices(regression_data(5)).batch(8)
    reset_keras()
    model = compiled(keras.Sequential([keras.Input([4]), layers.Dense(2)]), **how)
    monitor = light_monitor(None, "batch")
    fit(model, data.filter(lambda x, y: True), None, [monitor], batch_size=None, epochs=3)

    assert steps_of(monitor) == list(range(15))


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.filterwarnings("ignore:The gradients of:UserWarning")
def test_a_loop_that_trains_its_parts_unequally_often_is_numbered(order):
    model = two_parts()
    monitor = light_monitor(None, "batch")
    with monitor.watch(model, [model.optimizers[i] for i in order]) as watch:
        for i in range(10):
            with watch.step():
                for number in (0, 1) if i % 5 == 4 else (0,):
                    part = (model.critic, model.generator)[number]
                    with tf.GradientTape() as tape:
                        loss = tf.reduce_mean(part(X[:8]) ** 2)
                    gradients = tape.gradient(loss, part.trainable_weights)
                    model.optimizers[number].apply(gradients, part.trainable_weights)

    assert steps_of(monitor) == list(range(10))
    assert [len(record.gradients) for record in monitor.records] == [2, 2, 2, 2, 4] * 2


class OwnFit(keras.Sequential):
    """Calls the hooks and the train function in its own `fit`."""

    def fit(self, x, y, callbacks, epochs):
        callbacks = keras.callbacks.CallbackList(callbacks, model=self)
        self.make_train_function()
        callbacks.on_train_begin()
        for epoch in range(epochs):
            callbacks.on_epoch_begin(epoch)
            for step in range(4):
                callbacks.on_train_batch_begin(step)
                rows = slice(8 * step, 8 * step + 8)
                self.train_function(iter(tf.data.Dataset.from_tensors((x[rows], y[rows]))))
                callbacks.on_train_batch_end(step)
            callbacks.on_epoch_end(epoch)
        callbacks.on_train_end()


def test_a_custom_fit_is_numbered_by_its_hooks():
    reset_keras()
    model = compiled(OwnFit([keras.Input([4]), layers.Dense(1)]))
    monitor = light_monitor(None, "batch")
    model.fit(X, X[:, :1], [monitor], epochs=3)

    assert steps_of(monitor) == list(range(12))


class KeepsItsTrainFunction(OwnFit):
    """Looks up its train function once, before the monitor can replace it."""

    def fit(self, x, y, callbacks, epochs):
        self.make_train_function()
        own = self.train_function
        callbacks = keras.callbacks.CallbackList(callbacks, model=self)
        callbacks.on_train_begin()
        callbacks.on_epoch_begin(0)
        for step in range(4):
            callbacks.on_train_batch_begin(step)
            own(iter(tf.data.Dataset.from_tensors((x[:8], y[:8]))))
        callbacks.on_train_end()


NOT_CALLED = (
    "The training loop of the model 'keeps_its_train_function' did not call "
    "`model.train_function` after `on_train_batch_begin`: nothing is recorded. A loop that calls "
    "another function can be monitored by `GradientMonitor.watch`."
)


@pytest.mark.parametrize("freqs", [["batch"], [100], [100, "batch"], ["batch", "batch"]])
def test_a_loop_that_bypasses_the_models_train_function_warns(freqs):
    reset_keras()
    model = compiled(KeepsItsTrainFunction([keras.Input([4]), layers.Dense(1)]))
    monitors = [GradientMonitor(None, freq) for freq in freqs]
    with pytest.warns(UserWarning, match="did not call|Another GradientMonitor") as caught:
        model.fit(X, X[:, :1], monitors, epochs=1)

    messages = [str(warning.message) for warning in caught]
    others = [message for message in messages if message != NOT_CALLED]
    assert NOT_CALLED in messages
    assert all("Another GradientMonitor" in message for message in others)
    assert len(others) == len(freqs) - 1  # the first step does have another one
    assert [monitor.records for monitor in monitors] == [[]] * len(freqs)


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_stopped_training_on_data_of_unknown_length_continues_without_a_gap():
    data = tf.data.Dataset.from_tensor_slices(regression_data(5)).batch(8)
    reset_keras()
    model = compiled(keras.Sequential([keras.Input([4]), layers.Dense(2)]))
    monitor = light_monitor(None, "batch")
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100)
    for _ in range(2):
        callbacks = [monitor, stop]
        fit(model, data.filter(lambda x, y: True), None, callbacks, batch_size=None, epochs=5)

    assert steps_of(monitor) == list(range(20))


@pytest.mark.filterwarnings("ignore:The activation gradients of:UserWarning")
def test_the_probe_is_recorded_at_the_steps_that_are_recorded():
    reset_keras()
    model = Accumulating([keras.Input([4]), layers.Dense(1)])
    compiled(model, "sgd").optimizer.build(model.trainable_variables)
    monitor = GradientMonitor(None, 8, probe=(X[:8], X[:8, :1]))
    fit(model, X, X[:, :1], [monitor])

    assert steps_of(monitor) == [3]
    assert [record.step for record in monitor.probe_records] == [3]

"""Steps are numbered alike whatever the train step does to its optimizers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import begin_afresh, compiled, fit, regression_data

from vg_keras import GradientMonitor

X = np.random.default_rng(0).normal(size=[80, 4]).astype("f")

WAYS = {
    "graph": {},
    "eager": {"run_eagerly": True},
    "xla": {"jit_compile": True},
    "several steps": {"steps_per_execution": 4},
}
ways = pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)


def steps_of(monitor):
    return [record.step for record in monitor.records]


class TwoParts(keras.Model):
    """A critic that is trained several times in each step, and a generator that is trained once.

    The optimizer that it is compiled with is not used, as in Keras's own example.
    """

    def __init__(self, critic_steps=1):
        super().__init__()
        self.critic_steps = critic_steps
        self.critic, self.generator = layers.Dense(4), layers.Dense(4)
        self.optimizers = [keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01)]

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
    begin_afresh()
    model = TwoParts(critic_steps)
    model(X[:1])
    model.compile(**{"jit_compile": False, **how})
    return model


@ways
@pytest.mark.parametrize("critic_steps", [1, 5])
def test_an_optimizer_that_is_not_used_and_one_that_is_used_more_often(critic_steps, how):
    monitor = GradientMonitor(None, 3)
    fit(two_parts(critic_steps, **how), X, None, [monitor], epochs=2)

    assert steps_of(monitor) == [0, 3, 6, 9, 12, 15, 18]
    assert all(len(record.gradients) == 4 for record in monitor.records)


def test_a_second_fit_goes_on_with_the_count_of_steps():
    model = two_parts(critic_steps=5)
    monitor = GradientMonitor(None, 4)
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


@pytest.mark.filterwarnings("ignore:The activation gradients of:UserWarning")
@pytest.mark.parametrize(
    ("update_freq", "expected"),
    [(100, [3]), (6, [3, 7, 15, 19]), ("epoch", [3, 11]), (1, [3, 7, 11, 15, 19])],
)
@ways
def test_a_due_step_that_applies_nothing_stays_due_until_one_does(update_freq, expected, how):
    begin_afresh()
    model = Accumulating([keras.Input([4]), layers.Dense(1)])
    compiled(model, "sgd", **how).optimizer.build(model.trainable_variables)
    monitor = GradientMonitor(None, update_freq)
    fit(model, X, X[:, :1], [monitor], epochs=2)

    assert steps_of(monitor) == expected


@pytest.mark.filterwarnings("ignore:The activation gradients of:UserWarning")
def test_training_that_ends_before_anything_is_applied_is_told_so():
    begin_afresh()
    model = Accumulating([keras.Input([4]), layers.Dense(1)])
    compiled(model, "sgd").optimizer.build(model.trainable_variables)
    with pytest.warns(UserWarning, match="nothing is recorded") as caught:
        fit(model, X[:16], X[:16, :1], [GradientMonitor(None)])

    (message,) = [str(warning.message) for warning in caught]
    assert message == (
        "In the steps of the model 'accumulating' that were to be recorded no optimizer was "
        "applied: nothing is recorded."
    )


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}, {"steps_per_execution": 4}])
def test_data_of_unknown_length_are_numbered_without_gaps(how):
    data = tf.data.Dataset.from_tensor_slices(regression_data(5)).batch(8)
    begin_afresh()
    model = compiled(keras.Sequential([keras.Input([4]), layers.Dense(2)]), **how)
    monitor = GradientMonitor(None, "batch")
    fit(model, data.filter(lambda x, y: True), None, [monitor], batch_size=None, epochs=3)

    assert steps_of(monitor) == list(range(15))


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.filterwarnings("ignore:The gradients of:UserWarning")
def test_a_loop_that_trains_its_parts_unequally_often(order):
    model = two_parts()
    monitor = GradientMonitor(None, "batch")
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

"""Small models and data that many tests train on: layers of a few units, a handful of batches."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from vg_keras import GradientMonitor

LEARNING_RATE = 0.5
BATCH_SIZE = 8


def regression_data(num_batches=7, inputs=4, outputs=2, seed=0):
    """Returns that many full batches in float32; smaller data is a prefix of larger data."""
    x = np.random.default_rng(seed).normal(size=[num_batches * BATCH_SIZE, inputs])
    mix = np.random.default_rng(seed + 1).normal(size=[inputs, outputs])
    x, y = x.astype(np.float32), np.tanh(x @ mix).astype(np.float32)
    return x, y


def reset_keras():
    """Resets Keras's name counters and seeds, so that names and initial weights repeat."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)


def mlp(depth=1, units=8, activation="relu", outputs=2, inputs=4, policy=None):
    """Returns a Sequential model, always with the same weights and names.

    The paths are sequential/dense/kernel, sequential/dense/bias, sequential/dense_1/kernel, ...
    """
    reset_keras()
    return mlp_of_next_name(depth, units, activation, outputs, inputs, policy)


def mlp_of_next_name(depth=1, units=8, activation="relu", outputs=2, inputs=4, policy=None):
    """Returns the same model with the next free name; for use in a strategy's scope."""
    hidden = [layers.Dense(units, activation=activation, dtype=policy) for _ in range(depth)]
    model = keras.Sequential([keras.Input([inputs]), *hidden, layers.Dense(outputs, dtype=policy)])
    if policy:
        model.dtype_policy = policy  # by which `compile` decides on a loss scale
    return model


def compiled(model, optimizer=None, **how):
    """Compiles with plain SGD unless told otherwise, without XLA unless told otherwise."""
    optimizer = optimizer or keras.optimizers.SGD(LEARNING_RATE)
    model.compile(optimizer, **{"loss": "mse", "jit_compile": False, **how})
    return model


def fit(model, x, y=None, callbacks=(), **how):
    """Fits silently, without shuffling."""
    defaults = {"batch_size": BATCH_SIZE, "shuffle": False, "verbose": 0}
    return model.fit(x, y, callbacks=list(callbacks), **{**defaults, **how})


def light_monitor(*args, **how):
    """Returns a monitor that measures gradients only, for tests of when steps are recorded.

    Tracing its step takes half as long.
    """
    return GradientMonitor(*args, activations=False, updates=False, **how)


class CustomTrainStep(keras.Model):
    """Counts in `num_traces` how often Python runs its train step."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(8, activation="relu", name="hidden")
        self.out = layers.Dense(2, name="out")
        self.num_traces = 0

    def call(self, x):
        return self.out(self.hidden(x))

    def train_step(self, data):
        self.num_traces += 1
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(x, training=True) - y))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


class CallAt(keras.callbacks.Callback):
    """Calls a function with the model in the named hook, at the given call of that hook."""

    def __init__(self, hook, function, at=0):
        super().__init__()
        self._calls = 0

        def called(*args, **kwargs):
            self._calls += 1
            if self._calls == at + 1:
                function(self.model)

        setattr(self, hook, called)


class Calls(keras.Model):
    """Calls layers one after another, in the order of their numbers."""

    def __init__(self, parts, order=None, name="calls"):
        super().__init__(name=name)
        self.parts = parts
        self.order = order or range(len(parts))

    def call(self, x):
        for number in self.order:
            x = self.parts[number](x)
        return x

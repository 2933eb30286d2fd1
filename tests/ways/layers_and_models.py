"""Kinds of layers and of models."""

import keras
import numpy as np
from keras import layers, ops
from way import Way, normal

NUM = 24


def sequential(shape, *inner, dtype=None):
    return lambda: keras.Sequential([keras.Input(shape, dtype=dtype), *(make() for make in inner)])


def dense(units, activation=None, **how):
    return lambda: layers.Dense(units, activation=activation, **how)


TARGET = normal(NUM, 2, seed=1)
VECTORS = normal(NUM, 4)
SERIES = normal(NUM, 5, 3)
IMAGES = normal(NUM, 8, 8, 2)
TOKENS = np.random.default_rng(0).integers(0, 10, [NUM, 5])


def attention():
    inputs = keras.Input([5, 3])
    # Without biases: the gradient of the key bias is zero apart from rounding.
    attended = layers.MultiHeadAttention(num_heads=2, key_dim=3, use_bias=False)(inputs, inputs)
    added = layers.LayerNormalization()(inputs + attended)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(added)))


def shared_layer():
    inputs = keras.Input([4])
    shared = layers.Dense(4, activation="tanh")
    return keras.Model(inputs, layers.Dense(2)(shared(shared(inputs))))


def nested():
    inner = keras.Sequential([keras.Input([6]), layers.Dense(5, "relu"), layers.Dense(5, "tanh")])
    inputs = keras.Input([4])
    return keras.Model(inputs, layers.Dense(2)(inner(layers.Dense(6, "relu")(inputs))))


class Subclassed(keras.Model):
    """Calls its layers in a different order than it creates them, and has a weight of its own."""

    def __init__(self):
        super().__init__()
        self.last = layers.Dense(2)
        self.blocks = [layers.Dense(4, activation="relu"), layers.Dense(4, activation="tanh")]
        self.scale = self.add_weight(shape=[4], initializer="ones", name="scale")

    def call(self, x):
        for block in self.blocks:
            x = block(x) * self.scale
        return self.last(x)


def built(make):
    def make_and_build():
        model = make()
        model(VECTORS[:1])
        return model

    return make_and_build


def several_inputs_and_outputs():
    one, two = keras.Input([4]), keras.Input([4])
    joined = layers.Concatenate()([layers.Dense(5)(one), layers.Dense(4, "tanh")(two)])
    return keras.Model([one, two], [layers.Dense(2)(joined), layers.Dense(2)(joined)])


def partly_frozen():
    model = sequential([4], dense(5, "relu"), dense(4, "tanh"), dense(2))()
    model.layers[0].trainable = False
    return model


class Noisy(layers.Layer):
    """Adds its own loss."""

    def call(self, x):
        self.add_loss(0.1 * ops.mean(ops.square(x)))
        return x


LAYERS_AND_MODELS = [
    Way("Dense", sequential([4], dense(8, "relu"), dense(2)), VECTORS, TARGET),
    Way(
        "Dense with separate activation layers",
        sequential([4], dense(8), layers.ReLU, dense(6), layers.LeakyReLU, dense(2)),
        VECTORS,
        TARGET,
    ),
    Way(
        "Conv2D, pooling, BatchNormalization",
        sequential(
            [8, 8, 2],
            lambda: layers.Conv2D(3, 3, use_bias=False),
            layers.BatchNormalization,
            layers.ReLU,
            layers.MaxPooling2D,
            layers.Flatten,
            dense(2),
        ),
        IMAGES,
        TARGET,
        rel=1e-3,
    ),
    Way(
        "Conv1D, DepthwiseConv2D, GroupNormalization",
        sequential(
            [8, 8, 2],
            lambda: layers.DepthwiseConv2D(3, use_bias=False),
            lambda: layers.GroupNormalization(1),
            lambda: layers.Reshape([6, 12]),
            lambda: layers.Conv1D(4, 3, activation="relu"),
            layers.Flatten,
            dense(2),
        ),
        IMAGES,
        TARGET,
        rel=1e-3,
    ),
    Way(
        "LayerNormalization, Dropout",
        sequential(
            [4],
            dense(8, "gelu"),
            layers.LayerNormalization,
            lambda: layers.Dropout(0.4, seed=3),
            dense(2),
        ),
        VECTORS,
        TARGET,
    ),
    Way(
        "Embedding whose rows repeat",
        sequential([5], lambda: layers.Embedding(10, 4), layers.Flatten, dense(2), dtype="int32"),
        TOKENS,
        TARGET,
    ),
    Way(
        "Embedding with mask_zero, LSTM",
        sequential(
            [5], lambda: layers.Embedding(10, 4, mask_zero=True), lambda: layers.LSTM(4), dense(2)
        ),
        TOKENS,
        TARGET,
    ),
    Way("LSTM", sequential([5, 3], lambda: layers.LSTM(4), dense(2)), SERIES, TARGET),
    Way(
        "GRU, Bidirectional, SimpleRNN",
        sequential(
            [5, 3],
            lambda: layers.Bidirectional(layers.GRU(4, return_sequences=True)),
            lambda: layers.SimpleRNN(4),
            dense(2),
        ),
        SERIES,
        TARGET,
    ),
    Way(
        "TimeDistributed",
        sequential(
            [5, 3], lambda: layers.TimeDistributed(layers.Dense(4)), layers.Flatten, dense(2)
        ),
        SERIES,
        TARGET,
    ),
    Way("MultiHeadAttention, residual", attention, SERIES, TARGET, rel=1e-3),
    Way("shared layers", shared_layer, VECTORS, TARGET),
    Way("nested models", nested, VECTORS, TARGET),
    Way("subclassed models", built(Subclassed), VECTORS, TARGET),
    Way(
        "several inputs and outputs",
        several_inputs_and_outputs,
        [VECTORS, normal(NUM, 4, seed=2)],
        [TARGET, normal(NUM, 2, seed=3)],
        compile={"loss": ["mse", "mae"], "loss_weights": [1.0, 0.5]},
    ),
    Way("frozen layers", partly_frozen, VECTORS, TARGET),
    Way(
        "regularizers",
        sequential([4], dense(8, "relu", kernel_regularizer="l2"), dense(2)),
        VECTORS,
        TARGET,
    ),
    Way(
        "add_loss, activity_regularizer",
        sequential([4], dense(8, "relu", activity_regularizer="l2"), Noisy, dense(2)),
        VECTORS,
        TARGET,
    ),
    Way(
        "constraints",
        sequential([4], dense(8, "relu", kernel_constraint="unit_norm"), dense(2)),
        VECTORS,
        TARGET,
    ),
]

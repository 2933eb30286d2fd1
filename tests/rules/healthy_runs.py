"""Healthy runs: models that learn what they should, and in which no rule may find a fault.

Many of them show what a rule could take for a fault: gradients of 1e-8 in a network that has
converged, units that are saturated because the classifier is certain, variables that rightly get no
gradient.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import small_tasks as tasks
import tensorflow as tf
from keras import layers
from small_models import compiled
from small_runs import Setup, SmallRun, classifier, momentum, perceptron

from experiments.diagnosis_record.networks import Root

HEALTHY: dict[str, SmallRun] = {}
"""The healthy runs, by name."""


def healthy(name: str) -> Callable[[Callable[[], Setup]], Callable[[], Setup]]:
    """Adds the decorated function to `HEALTHY`."""

    def add(make: Callable[[], Setup]) -> Callable[[], Setup]:
        HEALTHY[name] = SmallRun(make)
        return make

    return add


# Depth and activations


def deep(
    depth: int,
    activation: str,
    optimizer: Callable[[], Any] | None = None,
    epochs: int = 12,
    **how: Any,
) -> Callable[[], Setup]:
    """Returns a function that makes an MLP of this depth for the quadrants."""

    def make() -> Setup:
        model = perceptron(depth, activation=activation, **how)
        return Setup(classifier(model, optimizer and optimizer()), *tasks.quadrants(), epochs)

    return make


HEALTHY["ReLU, 2 layers"] = SmallRun(deep(2, "relu"))
HEALTHY["ReLU, 8 layers"] = SmallRun(deep(8, "relu"))
HEALTHY["ReLU, 8 layers, SGD with momentum"] = SmallRun(deep(8, "relu", momentum))
HEALTHY["tanh, 3 layers"] = SmallRun(deep(3, "tanh", lambda: keras.optimizers.Adam(0.01)))
HEALTHY["tanh, 10 layers"] = SmallRun(deep(10, "tanh", epochs=20))


@healthy("residual MLP, 14 layers")
def _residual_mlp() -> Setup:
    return _residual(7, keras.initializers.RandomNormal(stddev=0.05))


@healthy("residual branches that are zero at first")
def _zero_branches() -> Setup:
    return _residual(3, "zeros")


def _residual(num_blocks: int, last: Any) -> Setup:
    inputs = keras.Input([tasks.FEATURES])
    x = layers.Dense(24)(inputs)
    for _ in range(num_blocks):
        branch = layers.Dense(24, "relu", kernel_initializer="he_normal")(x)
        x = layers.Add()([x, layers.Dense(24, kernel_initializer=last)(branch)])
    model = keras.Model(inputs, layers.Dense(1)(layers.LayerNormalization()(x)))
    return Setup(classifier(model), *tasks.quadrants())


# How far and how it is trained


@healthy("MLP trained to a loss of 1e-8")
def _converged() -> Setup:
    # A short memory of the second moment: as the gradient shrinks, the steps don't.
    model = classifier(perceptron(), keras.optimizers.Adam(0.02, beta_2=0.9))
    return Setup(model, *tasks.repeated(tasks.quadrants(128)), epochs=15, every=20)


@healthy("saturated sigmoid classifier")
def _saturated_classifier() -> Setup:
    model = perceptron(1, activation="sigmoid", last="sigmoid")
    model = compiled(model, keras.optimizers.Adam(0.1), loss="binary_crossentropy")
    return Setup(model, *tasks.repeated(tasks.quadrants(128)), epochs=15, every=20)


HEALTHY["SGD with momentum"] = SmallRun(deep(2, "relu", momentum))


@healthy("batch size 1")
def _batch_of_one() -> Setup:
    model = classifier(perceptron())
    return Setup(model, *tasks.quadrants(128), epochs=6, every=16, batch_size=1)


@healthy("learning rate that decays to zero")
def _decaying_rate() -> Setup:
    rate = keras.optimizers.schedules.CosineDecay(0.01, 240)
    model = classifier(perceptron(), keras.optimizers.Adam(rate))
    return Setup(model, *tasks.quadrants(), epochs=20)


@healthy("second fit of a network that has converged")
def _converged_before() -> Setup:
    data = tasks.repeated(tasks.slope(64))
    model = compiled(perceptron(1, activation="linear"), momentum())
    return Setup(model, *data, epochs=10, fits=2)


@healthy("second fit of a saturated network")
def _saturated_before() -> Setup:
    model = classifier(perceptron(2, activation="tanh"), keras.optimizers.Adam(0.1))
    return Setup(model, *tasks.repeated(tasks.quadrants(128)), epochs=10, every=10, fits=2)


@healthy("an example with both labels")
def _contradiction() -> Setup:
    x, y = tasks.quadrants(128)
    x[77], y[77] = x[3], 1 - y[3]  # in batches 0 and 19 of 32
    model = classifier(perceptron(), keras.optimizers.Adam(0.02, beta_2=0.9))
    return Setup(model, x, y, epochs=54, every=33, batch_size=4)


@healthy("mixed_float16 with skipped steps")
def _mixed_float16() -> Setup:
    hidden = [layers.Dense(24, "relu", dtype="mixed_float16") for _ in range(2)]
    last = layers.Dense(1, dtype="float32")
    model = keras.Sequential([keras.Input([tasks.FEATURES]), *hidden, last])
    # The first six steps or so overflow; each halves the scale.
    optimizer = keras.optimizers.LossScaleOptimizer(momentum(), initial_scale=2.0**24)
    return Setup(classifier(model, optimizer), *tasks.quadrants(), epochs=4, every=1)


@healthy("L2 regularization, converged")
def _regularized() -> Setup:
    return regularized(1e-3)


def regularized(factor: float, activation: str = "relu", depth: int = 3) -> Setup:
    """Returns an MLP with L2 regularization."""
    regularizer = keras.regularizers.L2(factor)
    model = perceptron(depth, activation=activation, kernel_regularizer=regularizer)
    data_loss = keras.metrics.BinaryCrossentropy("data_loss", from_logits=True)
    model = classifier(model, keras.optimizers.Adam(0.01), metrics=[data_loss])
    setup = Setup(model, *tasks.repeated(tasks.quadrants(256), 4), epochs=10, every=10)
    return dataclasses.replace(setup, outcome="data_loss")


@healthy("L2 regularization, 6 layers")
def _deep_regularized() -> Setup:
    return regularized(1e-3, depth=6)


@healthy("dropout of 0.8")
def _dropout() -> Setup:
    inputs = x = keras.Input([tasks.FEATURES])
    for _ in range(2):
        x = layers.Dropout(0.8)(layers.Dense(128, "relu", kernel_initializer="he_normal")(x))
    model = classifier(keras.Model(inputs, layers.Dense(1)(x)))
    return Setup(model, *tasks.quadrants(), epochs=30, every=10)


@healthy("last layer that is zero at first")
def _zero_last_layer() -> Setup:
    hidden = [layers.Dense(24, "relu", kernel_initializer="he_normal") for _ in range(2)]
    last = layers.Dense(1, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input([tasks.FEATURES]), *hidden, last])
    return Setup(classifier(model), *tasks.quadrants())


@healthy("one example in twenty of a class")
def _imbalanced() -> Setup:
    return Setup(classifier(perceptron()), *tasks.imbalanced())


# Regression


@healthy("regression with standardized targets")
def _regression() -> Setup:
    return regression()


def regression(rate: float = 0.02) -> Setup:
    """Returns an MLP for the curve, trained by SGD with momentum."""
    return Setup(compiled(perceptron(), momentum(rate)), *tasks.curve())


@healthy("regression with targets about 20")
def _shifted_targets() -> Setup:
    return with_step(20, 0.02)


def with_step(number: int, rate: float) -> Setup:
    """Returns a regression of the curve plus 20, with another learning rate at one step."""
    boundaries, rates = [number, number + 1], [0.02, rate, 0.02]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
    x, y = tasks.curve()
    return Setup(compiled(perceptron(), keras.optimizers.SGD(schedule)), x, y + 20)


@healthy("targets of 200,000 and a Rescaling layer")
def _rescaled() -> Setup:
    model = keras.Sequential([perceptron(), layers.Rescaling(200_000.0)])
    x, y = tasks.curve()
    return Setup(compiled(model, keras.optimizers.Adam(0.01)), x, 200_000 * y)


@healthy("linear, 10 layers")
def _deep_linear() -> Setup:
    return deep_linear("glorot_normal")


def deep_linear(initializer: Any) -> Setup:
    """Returns a linear network of 10 layers with this initializer, for a linear function."""
    model = perceptron(10, activation="linear", kernel_initializer=initializer)
    return Setup(compiled(model, keras.optimizers.Adam(0.003)), *tasks.slope())


@healthy("autoencoder with a bottleneck")
def _autoencoder() -> Setup:
    hidden = [layers.Dense(units, "relu") for units in (32, 16)]
    hidden += [layers.Dense(2), *(layers.Dense(units, "relu") for units in (16, 32))]
    model = keras.Sequential([keras.Input([16]), *hidden, layers.Dense(16)])
    return Setup(compiled(model, keras.optimizers.Adam(0.003)), *tasks.low_rank())


# Convolutions


@healthy("conv net with BatchNormalization")
def _conv_net() -> Setup:
    inner: list[Any] = []
    for filters in (8, 16):
        inner += [layers.Conv2D(filters, 3, use_bias=False), layers.BatchNormalization()]
        inner += [layers.ReLU()]
    inner += [layers.GlobalAveragePooling2D(), layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input([8, 8, 1]), *inner])
    return Setup(_of_classes(model), *tasks.bars(), epochs=20)


@healthy("ResNet with BatchNormalization")
def _res_net() -> Setup:
    inputs = keras.Input([8, 8, 1])
    x = layers.Conv2D(8, 3, padding="same")(inputs)
    for _ in range(2):
        branch = _normalized(layers.Conv2D(8, 3, padding="same", use_bias=False), x)
        branch = layers.Conv2D(8, 3, padding="same", use_bias=False)(layers.ReLU()(branch))
        x = layers.ReLU()(layers.Add()([x, layers.BatchNormalization()(branch)]))
    outputs = layers.Dense(3, "softmax")(layers.GlobalAveragePooling2D()(x))
    return Setup(_of_classes(keras.Model(inputs, outputs)), *tasks.bars(), epochs=20)


def _normalized(layer: keras.layers.Layer, x: Any) -> Any:
    return layers.BatchNormalization()(layer(x))


def _of_classes(model: keras.Model) -> keras.Model:
    return classifier(model, loss="sparse_categorical_crossentropy")


@healthy("new layers on a frozen network")
def _fine_tuning() -> Setup:
    inputs = keras.Input([tasks.FEATURES])
    x = layers.Dense(64, "relu")(inputs)
    frozen = keras.Model(inputs, layers.Dense(64, "relu")(x))
    frozen.trainable = False
    outputs = layers.Dense(1)(layers.Dense(24, "relu")(frozen(inputs)))
    return Setup(classifier(keras.Model(inputs, outputs)), *tasks.quadrants())


# Sequences


@healthy("LSTM")
def _lstm() -> Setup:
    return _recurrent(layers.LSTM(16))


@healthy("GRU")
def _gru() -> Setup:
    return _recurrent(layers.GRU(16))


def _recurrent(layer: keras.layers.Layer) -> Setup:
    model = keras.Sequential([keras.Input([12, 3]), layer, layers.Dense(1)])
    return Setup(classifier(model, keras.optimizers.Adam(0.01)), *tasks.sums(), epochs=20)


@healthy("SimpleRNN")
def _simple_rnn() -> Setup:
    return simple_rnn("orthogonal")


def simple_rnn(initializer: Any) -> Setup:
    """Returns a linear RNN of 40 time steps with this initializer of the recurrent weights."""
    rnn = layers.SimpleRNN(16, "linear", recurrent_initializer=initializer)
    model = keras.Sequential([keras.Input([40, 3]), rnn, layers.Dense(1)])
    return Setup(classifier(model), *tasks.sums(40), epochs=20)


@healthy("Transformer with warm-up")
def _transformer() -> Setup:
    inputs = keras.Input([8], dtype="int32")
    x = layers.Embedding(tasks.NUM_TOKENS, 16)(inputs)
    positions = layers.Embedding(8, 16)(keras.ops.zeros_like(inputs) + keras.ops.arange(8))
    x = layers.Add()([x, positions])
    for _ in range(2):
        normalized = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 8)(normalized, normalized)])
        branch = layers.Dense(32, "gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(16)(branch)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    rate = keras.optimizers.schedules.CosineDecay(0.0, 180, warmup_target=0.01, warmup_steps=40)
    model = classifier(keras.Model(inputs, layers.Dense(1)(x)), keras.optimizers.Adam(rate))
    return Setup(model, *tasks.repeated_token(), epochs=14, every=8)


@healthy("hidden layer of one unit")
def _attention_pooling() -> Setup:
    inputs = keras.Input([8], dtype="int32")
    x = layers.Embedding(tasks.NUM_WORDS, 8)(inputs)
    weights = layers.Softmax(axis=1)(layers.Dense(1, name="score")(x))
    x = layers.Dense(16, "relu")(keras.ops.sum(weights * x, 1))
    model = keras.Model(inputs, layers.Dense(1)(x))
    return Setup(classifier(model, keras.optimizers.Adam(0.01)), *tasks.rare_words())


@healthy("Embedding of rare words")
def _rare_words() -> Setup:
    inner = [layers.Embedding(tasks.NUM_WORDS, 8), layers.GlobalAveragePooling1D()]
    inner += [layers.Dense(16, "relu"), layers.Dense(1)]
    model = keras.Sequential([keras.Input([8], dtype="int32"), *inner])
    return Setup(classifier(model, keras.optimizers.Adam(0.01)), *tasks.rare_words())


# Custom train steps and layers


class Gan(keras.Model):
    """Two networks with an optimizer each, trained in turn in one step."""

    def __init__(self) -> None:
        """Builds both networks."""
        super().__init__(name="gan")
        self.generator = self._network("generator", 4, 2)
        self.critic = self._network("critic", 2, 1)
        self.built = True

    def _network(self, name: str, inputs: int, outputs: int) -> keras.Sequential:
        hidden = [layers.Dense(32, "leaky_relu") for _ in range(2)]
        return keras.Sequential([keras.Input([inputs]), *hidden, layers.Dense(outputs)], name=name)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Trains the critic, then the generator."""
        real, _ = data
        noise = tf.random.stateless_normal([tf.shape(real)[0], 4], tf.cast(real[0], tf.int32))
        with tf.GradientTape() as tape:
            fake, true = self.critic(self.generator(noise)), self.critic(real)
            loss = tf.reduce_mean(tf.nn.softplus(fake) + tf.nn.softplus(-true))
        variables = self.critic.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        with tf.GradientTape() as tape:
            generator_loss = tf.reduce_mean(tf.nn.softplus(-self.critic(self.generator(noise))))
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(generator_loss, variables), variables)
        return {"loss": loss}


@healthy("GAN with two optimizers")
def _gan() -> Setup:
    model = Gan()
    model.generator_optimizer = keras.optimizers.Adam(0.002, beta_1=0.5)
    model.generator_optimizer.build(model.generator.trainable_variables)
    compiled(model, keras.optimizers.Adam(0.002, beta_1=0.5))
    model.optimizer.build(model.critic.trainable_variables)
    return Setup(model, *tasks.ring(), epochs=20, every=10)


def with_loss(epsilon: float) -> Setup:
    """Returns a classifier of probabilities with a cross-entropy of its own.

    Args:
        epsilon: What it adds before it takes a logarithm.
    """

    def loss(y: Any, p: Any) -> Any:
        log_p, log_q = keras.ops.log(p + epsilon), keras.ops.log(1 - p + epsilon)
        return -keras.ops.mean(y * log_p + (1 - y) * log_q, -1)

    model = perceptron(last="sigmoid")
    model = compiled(model, keras.optimizers.Adam(0.1), loss=loss)
    return Setup(model, *tasks.repeated(tasks.quadrants(128)), every=10)


@healthy("custom loss")
def _custom_loss() -> Setup:
    return with_loss(1e-7)


def with_root(offset: float) -> Setup:
    """Returns an MLP with a square root of tanh plus an offset in the middle."""
    inner = [layers.Dense(24, "tanh"), Root(offset, name="root"), layers.Dense(24, "relu")]
    model = keras.Sequential([keras.Input([tasks.FEATURES]), *inner, layers.Dense(1)])
    return Setup(classifier(model, keras.optimizers.Adam(0.01)), *tasks.quadrants())


@healthy("custom layer with a square root")
def _custom_layer() -> Setup:
    return with_root(1.1)


@healthy("two branches")
def _branched() -> Setup:
    return branched(is_connected=True)


def branched(is_connected: bool, learns: bool = True) -> Setup:
    """Returns an MLP with a second branch.

    Args:
        is_connected: Whether the output of the second branch is used.
        learns: Whether the loss's gradient reaches the first layer.
    """
    inputs = keras.Input([tasks.FEATURES])
    x = layers.Dense(24, "relu", name="first")(inputs)
    side = layers.Dense(24, "relu", name="side")(inputs)
    if not learns:
        x = keras.ops.stop_gradient(x)
    joined = layers.Add()([x, side if is_connected else 0.0 * keras.ops.stop_gradient(side)])
    return Setup(classifier(keras.Model(inputs, layers.Dense(1)(joined))), *tasks.quadrants())

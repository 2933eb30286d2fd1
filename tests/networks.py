"""Small networks and train steps of many kinds, to compare training runs bit for bit.

Each function in `NETWORKS` returns a compiled model and its data. Layer widths such as 13 are not
multiples of a vector register, so the kernels' remainder loops run too. Most networks train with
plain SGD: it multiplies a gradient by the learning rate and nothing else, so TensorFlow can merge
that product with the operations that computed the gradient. What to compare is left to the tests,
see `test_same_weights_of_many_networks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from small_models import BATCH_SIZE, compiled, fit, reset_keras

NUM_BATCHES = 5
NUM_EXAMPLES = NUM_BATCHES * BATCH_SIZE
NUM_CLASSES = 3
FEATURES = 9
"""Number of inputs of networks of vectors; their hidden layers have 13 or 19 units."""

TrainingSet: TypeAlias = tuple[keras.Model, Any, Any]
"""A compiled model, its inputs and its targets."""

NETWORKS: dict[str, Callable[[], TrainingSet]] = {}
"""Functions that make a network, by name."""


def trained(name: str, callbacks: Sequence[keras.callbacks.Callback] = ()) -> keras.Model:
    """Trains a network for two epochs of five batches and returns its model."""
    reset_keras()
    model, x, y = NETWORKS[name]()
    if not model.optimizer.built:  # an unbuilt optimizer has the step traced twice
        model.optimizer.build(model.trainable_variables)
    fit(model, x, y, callbacks, epochs=2)
    return model


def network(name: str) -> Callable[[Callable[[], TrainingSet]], Callable[[], TrainingSet]]:
    """Adds the decorated function to `NETWORKS`."""

    def add(make: Callable[[], TrainingSet]) -> Callable[[], TrainingSet]:
        NETWORKS[name] = make
        return make

    return add


def normal(*shape: int, seed: int = 0, dtype: str = "float32") -> Any:
    """Normally distributed values, `[NUM_EXAMPLES, *shape]`."""
    return np.random.default_rng(seed).normal(size=[NUM_EXAMPLES, *shape]).astype(dtype)


def tokens(length: int) -> Any:
    """Token ids from 0 to 9, `[NUM_EXAMPLES, length]`."""
    return np.random.default_rng(0).integers(0, 10, [NUM_EXAMPLES, length])


LABELS = np.arange(NUM_EXAMPLES) % NUM_CLASSES
TARGETS = np.tanh(normal(2, seed=1))


def sgd() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(0.05)


def regression(model: keras.Model, x: Any = None, **how: Any) -> TrainingSet:
    x = normal(*model.input_shape[1:]) if x is None else x
    return compiled(model, how.pop("optimizer", None) or sgd(), **how), x, TARGETS


def classification(
    model: keras.Model, x: Any = None, optimizer: keras.optimizers.Optimizer | None = None
) -> TrainingSet:
    x = normal(*model.input_shape[1:]) if x is None else x
    return compiled(model, optimizer or sgd(), loss="sparse_categorical_crossentropy"), x, LABELS


def sequential(shape: Sequence[int], *inner: keras.layers.Layer, **how: Any) -> keras.Sequential:
    return keras.Sequential([keras.Input(shape, **how), *inner])


# Activations


def _dense_with(activations: Sequence[str]) -> Callable[[], TrainingSet]:
    def make() -> TrainingSet:
        hidden = [layers.Dense(19 - 3 * (i % 3), name) for i, name in enumerate(activations)]
        return regression(sequential([FEATURES], *hidden, layers.Dense(2)))

    return make


NETWORKS["Dense with relu, tanh, sigmoid, elu, selu"] = _dense_with(
    ["relu", "tanh", "sigmoid", "elu", "selu"]
)
NETWORKS["Dense with softsign, gelu, silu, leaky_relu"] = _dense_with(
    ["softsign", "gelu", "silu", "leaky_relu"]
)


@network("Dense, then relu, tanh, sigmoid, elu, gelu layers")
def _dense_before_activations() -> TrainingSet:
    hidden: list[keras.layers.Layer] = []
    for i, name in enumerate(["relu", "tanh", "sigmoid", "elu", "gelu"]):
        hidden += [layers.Dense(19 - 3 * (i % 3)), layers.Activation(name)]
    return regression(sequential([FEATURES], *hidden, layers.Dense(2)))


@network("20 layers of relu and tanh")
def _deep() -> TrainingSet:
    hidden = [layers.Dense(13, "relu", kernel_initializer="he_normal") for _ in range(10)]
    hidden += [layers.Dense(13, "tanh") for _ in range(10)]
    return regression(sequential([FEATURES], *hidden, layers.Dense(2)))


# Convolutions


@network("Conv2D, then relu and tanh layers")
def _convolution_before_activations() -> TrainingSet:
    inner = [layers.Conv2D(9, 3), layers.Activation("relu")]
    inner += [layers.Conv2D(11, 3, strides=2), layers.Activation("tanh")]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(NUM_CLASSES, "softmax")]
    return classification(sequential([9, 9, 3], *inner, *head))


@network("ResNet block")
def _resnet() -> TrainingSet:
    inputs = keras.Input([7, 7, 3])
    x = shortcut = layers.Conv2D(9, 3, padding="same")(inputs)
    x = layers.Conv2D(9, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(9, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.Add()([shortcut, layers.BatchNormalization()(x)]))
    x = layers.GlobalAveragePooling2D()(x)
    return classification(keras.Model(inputs, layers.Dense(NUM_CLASSES, "softmax")(x)))


@network("MobileNet block")
def _mobilenet() -> TrainingSet:
    inner: list[keras.layers.Layer] = []
    for _ in range(2):
        inner += [layers.DepthwiseConv2D(3, padding="same", use_bias=False)]
        inner += [layers.BatchNormalization(), layers.ReLU(6.0)]
        inner += [layers.Conv2D(9, 1, use_bias=False), layers.BatchNormalization()]
        inner += [layers.ReLU(6.0)]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(NUM_CLASSES, "softmax")]
    return classification(sequential([7, 7, 3], *inner, *head))


@network("DenseNet block")
def _densenet() -> TrainingSet:
    x = inputs = keras.Input([7, 7, 3])
    for _ in range(3):
        new = layers.Conv2D(5, 3, padding="same", activation="relu")(x)
        x = layers.Concatenate()([x, new])
    x = layers.GlobalAveragePooling2D()(x)
    return classification(keras.Model(inputs, layers.Dense(NUM_CLASSES, "softmax")(x)))


@network("squeeze and excite")
def _squeeze_excite() -> TrainingSet:
    inputs = keras.Input([7, 7, 3])
    x = layers.Conv2D(9, 3, activation="relu")(inputs)
    weight = layers.Dense(5, "relu")(layers.GlobalAveragePooling2D()(x))
    weight = layers.Dense(9, "sigmoid")(weight)
    x = layers.Multiply()([x, layers.Reshape([1, 1, 9])(weight)])
    x = layers.GlobalAveragePooling2D()(x)
    return classification(keras.Model(inputs, layers.Dense(NUM_CLASSES, "softmax")(x)))


@network("Conv1D")
def _conv1d() -> TrainingSet:
    inner = [layers.Conv1D(9, 3, activation="relu"), layers.MaxPooling1D()]
    inner += [layers.Conv1D(11, 3, padding="causal", dilation_rate=2, activation="relu")]
    head = [layers.GlobalMaxPooling1D(), layers.Dense(2)]
    return regression(sequential([17, 3], *inner, *head))


@network("convolutional autoencoder")
def _autoencoder() -> TrainingSet:
    encoder = [layers.Conv2D(9, 3, 2, padding="same", activation="relu") for _ in range(2)]
    decoder = [layers.Conv2DTranspose(9, 3, 2, padding="same", activation="relu")]
    decoder += [layers.Conv2DTranspose(3, 3, 2, padding="same", activation="sigmoid")]
    model, x, _ = regression(sequential([8, 8, 3], *encoder, *decoder))
    return model, x, 1 / (1 + np.exp(-x))


# Residual connections and normalization


def _residual(normalize: Callable[[], keras.layers.Layer], is_pre_norm: bool) -> TrainingSet:
    inputs = keras.Input([FEATURES])
    x = layers.Dense(12, "tanh")(inputs)
    for _ in range(2):
        if is_pre_norm:
            x = x + layers.Dense(12)(layers.Dense(19, "relu")(normalize()(x)))
        else:
            x = x + normalize()(layers.Dense(12)(x))
    return regression(keras.Model(inputs, layers.Dense(2)(x)))


_NORMALIZATIONS: dict[str, Callable[[], keras.layers.Layer]] = {
    "LayerNormalization": layers.LayerNormalization,
    "GroupNormalization": lambda: layers.GroupNormalization(3),
    "RMSNormalization": layers.RMSNormalization,
    "BatchNormalization": layers.BatchNormalization,
}
for _name, _normalize in _NORMALIZATIONS.items():
    NETWORKS[f"residual before {_name}"] = lambda n=_normalize: _residual(n, True)
    NETWORKS[f"residual after {_name}"] = lambda n=_normalize: _residual(n, False)


@network("residual branch scaled by a constant")
def _scaled_branch() -> TrainingSet:
    inputs = keras.Input([FEATURES])
    x = layers.Dense(13, "tanh")(inputs)
    for _ in range(2):
        x = x + 0.3 * layers.Activation("silu")(layers.Dense(13)(x))
    return regression(keras.Model(inputs, layers.Dense(2)(x)))


@network("activation of the sum of two Dense")
def _sum_of_two() -> TrainingSet:
    inputs = keras.Input([FEATURES])
    x = layers.Dense(13, "tanh")(inputs)
    x = layers.Activation("tanh")(layers.Dense(13)(x) + layers.Dense(13)(inputs))
    return regression(keras.Model(inputs, layers.Dense(2)(x)))


@network("Transformer encoder")
def _transformer() -> TrainingSet:
    inputs = keras.Input([6], dtype="int32")
    x = layers.Embedding(10, 12)(inputs)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 5)(x, x))
    x = layers.LayerNormalization()(x + layers.Dense(12)(layers.Dense(19, "gelu")(x)))
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(NUM_CLASSES, "softmax")(x))
    return classification(model, tokens(6), keras.optimizers.Adam(0.01))


@network("pre-norm Transformer encoder")
def _pre_norm_transformer() -> TrainingSet:
    x = inputs = keras.Input([6, 12])
    normalized = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(2, 5)(normalized, normalized)
    x = x + layers.Dense(12)(layers.Dense(19, "gelu")(layers.LayerNormalization()(x)))
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return classification(keras.Model(inputs, layers.Dense(NUM_CLASSES, "softmax")(x)))


# Sequences


@network("LSTM")
def _lstm() -> TrainingSet:
    model = sequential([6, 3], layers.LSTM(9), layers.Dense(2))
    return regression(model, optimizer=keras.optimizers.Adam(0.01))


@network("GRU")
def _gru() -> TrainingSet:
    inner = [layers.GRU(9, return_sequences=True), layers.GRU(5)]
    return regression(sequential([6, 3], *inner, layers.Dense(2)))


@network("Bidirectional")
def _bidirectional() -> TrainingSet:
    inner = [layers.Embedding(10, 5, mask_zero=True), layers.Bidirectional(layers.LSTM(5))]
    model = sequential([6], *inner, layers.Dense(NUM_CLASSES, "softmax"), dtype="int32")
    return classification(model, tokens(6))


@network("Embedding and pooling")
def _embedding() -> TrainingSet:
    inner = [layers.Embedding(10, 9), layers.GlobalAveragePooling1D(), layers.Dense(13, "relu")]
    model = sequential([6], *inner, layers.Dense(NUM_CLASSES, "softmax"), dtype="int32")
    return classification(model, tokens(6))


# Layers called more than once, several outputs, what is added to the loss


@network("a layer called twice on the same input")
def _twice_on_the_same() -> TrainingSet:
    inputs = keras.Input([FEATURES])
    x = layers.Dense(13, "relu")(inputs)
    shared = layers.Dense(13, "tanh")
    return regression(keras.Model(inputs, layers.Dense(2)(shared(x) * 2.0 + shared(x))))


@network("a linear layer called twice on the same input")
def _linear_twice_on_the_same() -> TrainingSet:
    inputs = keras.Input([FEATURES])
    x = layers.Dense(13, "tanh")(inputs)
    shared = layers.Dense(13)
    return regression(keras.Model(inputs, layers.Dense(2)(shared(x) + shared(x))))


@network("a layer called twice on different inputs")
def _twice_on_different() -> TrainingSet:
    inputs = keras.Input([FEATURES])
    shared = layers.Dense(FEATURES, "tanh")
    return regression(keras.Model(inputs, layers.Dense(2)(shared(shared(inputs)))))


@network("two outputs with a loss each")
def _two_outputs() -> TrainingSet:
    inputs = keras.Input([FEATURES])
    x = layers.Dense(13, "relu")(inputs)
    outputs = {
        "value": layers.Dense(2, name="value")(layers.Dense(9, "tanh")(x)),
        "label": layers.Dense(NUM_CLASSES, "softmax", name="label")(x),
    }
    losses = {"value": "mse", "label": "sparse_categorical_crossentropy"}
    model = compiled(keras.Model(inputs, outputs), sgd(), loss=losses)
    return model, normal(FEATURES), {"value": TARGETS, "label": LABELS}


@network("regularized kernels")
def _regularized() -> TrainingSet:
    hidden = [layers.Dense(13, "relu", kernel_regularizer=r) for r in ("l1", "l2", "l1l2")]
    last = layers.Dense(2, kernel_regularizer="l2", bias_regularizer="l1")
    return regression(sequential([FEATURES], *hidden, last))


@network("activity regularizer")
def _activity_regularizer() -> TrainingSet:
    hidden = [layers.Dense(u, "sigmoid", activity_regularizer="l1") for u in (19, 13)]
    return regression(sequential([FEATURES], *hidden, layers.Dense(2)))


@network("softmax classifier")
def _softmax() -> TrainingSet:
    inner = [layers.Dense(19, "relu"), layers.Dense(NUM_CLASSES, "softmax")]
    return classification(sequential([FEATURES], *inner))


@network("binary classifier")
def _binary() -> TrainingSet:
    model = sequential([FEATURES], layers.Dense(19, "relu"), layers.Dense(1, "sigmoid"))
    model = compiled(model, sgd(), loss="binary_crossentropy")
    return model, normal(FEATURES), np.arange(NUM_EXAMPLES) % 2


@network("Dropout")
def _dropout() -> TrainingSet:
    inner = [layers.Dense(19), layers.Activation("silu"), layers.Dropout(0.3, seed=1)]
    inner += [layers.Dense(13, "tanh"), layers.Dropout(0.3, seed=2)]
    return regression(sequential([FEATURES], *inner, layers.Dense(2)))


@network("new layers on a frozen network")
def _frozen() -> TrainingSet:
    inputs = x = keras.Input([FEATURES])
    for _ in range(2):
        x = layers.Activation("gelu")(layers.Dense(13)(x))
    frozen = keras.Model(inputs, layers.LayerNormalization()(x))
    frozen.trainable = False
    x = layers.Dense(13, "relu")(frozen(inputs))
    return regression(keras.Model(inputs, layers.Dense(2)(x)))


# Precision and optimizers


@network("float64 with BatchNormalization")
def _float64() -> TrainingSet:
    inner: list[keras.layers.Layer] = []
    for units in (19, 13):
        inner += [layers.Dense(units, dtype="float64"), layers.BatchNormalization(dtype="float64")]
        inner += [layers.Activation("relu", dtype="float64")]
    model = sequential([FEATURES], *inner, layers.Dense(2, dtype="float64"), dtype="float64")
    return regression(model, normal(FEATURES, dtype="float64"))


@network("mixed_bfloat16")
def _bfloat16() -> TrainingSet:
    hidden = [layers.Dense(u, "relu", dtype="mixed_bfloat16") for u in (19, 13)]
    last = layers.Dense(NUM_CLASSES, "softmax", dtype="float32")
    return classification(sequential([FEATURES], *hidden, last))


def _perceptron_with(optimizer: keras.optimizers.Optimizer) -> TrainingSet:
    hidden = [layers.Dense(units, "relu") for units in (19, 13)]
    return regression(sequential([FEATURES], *hidden, layers.Dense(2)), optimizer=optimizer)


@network("global_clipnorm")
def _global_clipnorm() -> TrainingSet:
    return _perceptron_with(keras.optimizers.Adam(0.01, global_clipnorm=0.01))


@network("gradient accumulation")
def _accumulation() -> TrainingSet:
    return _perceptron_with(keras.optimizers.Adam(0.01, gradient_accumulation_steps=3))


@network("moving average of the weights")
def _moving_average() -> TrainingSet:
    return _perceptron_with(
        keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True, ema_overwrite_frequency=4)
    )


# Custom train steps


class _CustomStep(keras.Sequential):
    """A perceptron whose subclasses define their own train step."""

    def __init__(self, outputs: int = 2, activation: str = "tanh", name: str = "step") -> None:
        hidden: list[keras.layers.Layer] = [layers.Dense(19), layers.Activation(activation)]
        hidden += [layers.Dense(13, activation)]
        super().__init__([keras.Input([FEATURES]), *hidden, layers.Dense(outputs)], name=name)

    def loss_of(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.square(self(x, training=True) - y))

    def gradients_of(self, x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = self.loss_of(x, y)
        return tape.gradient(loss, self.trainable_variables)


@network("clip_by_global_norm in a custom train step")
def _clipped() -> TrainingSet:
    class Clipped(_CustomStep):
        def train_step(self, data: Any) -> dict[str, tf.Tensor]:
            gradients, norm = tf.clip_by_global_norm(self.gradients_of(*data), 0.1)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"norm": norm}

    return regression(Clipped())


@network("gradients scaled by a constant in a custom train step")
def _scaled() -> TrainingSet:
    class Scaled(_CustomStep):
        def train_step(self, data: Any) -> dict[str, tf.Tensor]:
            gradients = [0.3 * gradient for gradient in self.gradients_of(*data)]
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"first": tf.reduce_sum(gradients[0])}

    return regression(Scaled())


@network("a train step for the last layer alone")
def _head_alone() -> TrainingSet:
    class HeadAlone(_CustomStep):
        def train_step(self, data: Any) -> dict[str, tf.Tensor]:
            head = self.layers[-1].trainable_variables
            with tf.GradientTape() as tape:
                loss = self.loss_of(*data)
            self.optimizer.apply(tape.gradient(loss, head), head)
            return {"loss": loss}

    return regression(HeadAlone(activation="gelu"))


@network("two losses of one persistent tape")
def _two_losses() -> TrainingSet:
    class TwoLosses(_CustomStep):
        def train_step(self, data: Any) -> dict[str, tf.Tensor]:
            x, y = data
            with tf.GradientTape(persistent=True) as tape:
                outputs = self(x, training=True)
                first = tf.reduce_mean(tf.square(outputs - y))
                second = tf.reduce_mean(tf.abs(outputs))
            variables = self.trainable_variables
            body, head = variables[:-2], variables[-2:]
            body_gradients, head_gradients = tape.gradient(first, body), tape.gradient(second, head)
            self.optimizer.apply(body_gradients, body)
            self.head_optimizer.apply(head_gradients, head)
            return {"loss": first}

    model = TwoLosses()
    model.head_optimizer = keras.optimizers.SGD(0.05)
    return regression(model)


@network("MAML")
def _maml() -> TrainingSet:
    class MAML(_CustomStep):
        def train_step(self, data: Any) -> dict[str, tf.Tensor]:
            x, y = data
            values = [v.value for v in self.trainable_variables]
            with tf.GradientTape() as outer:
                with tf.GradientTape() as inner:
                    loss = self.loss_of(x[:4], y[:4])
                steps = inner.gradient(loss, values)
                adapted = [v - 0.1 * s for v, s in zip(values, steps, strict=True)]
                outputs, _ = self.stateless_call(adapted, self.non_trainable_variables, x[4:])
                loss = tf.reduce_mean(tf.square(outputs - y[4:]))
            gradients = outer.gradient(loss, values)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"loss": loss}

    return regression(MAML())


@network("sharpness-aware minimization")
def _sam() -> TrainingSet:
    class SAM(_CustomStep):
        def train_step(self, data: Any) -> dict[str, tf.Tensor]:
            variables, first = self.trainable_variables, self.gradients_of(*data)
            scale = 0.05 / (tf.linalg.global_norm(first) + 1e-12)
            steps = [scale * gradient for gradient in first]
            for variable, step in zip(variables, steps, strict=True):
                variable.assign_add(step)
            second = self.gradients_of(*data)
            for variable, step in zip(variables, steps, strict=True):
                variable.assign_sub(step)
            self.optimizer.apply(second, variables)
            return {"scale": scale}

    return regression(SAM())


@network("WGAN-GP critic")
def _wgan_gp() -> TrainingSet:
    class Critic(_CustomStep):
        def train_step(self, data: Any) -> dict[str, tf.Tensor]:
            real, _ = data
            fake = tf.sin(3.0 * real)
            with tf.GradientTape() as tape:
                mixed = 0.3 * real + 0.7 * fake
                with tf.GradientTape() as inner:
                    inner.watch(mixed)
                    score = self(mixed, training=True)
                norm = tf.norm(inner.gradient(score, mixed), axis=1)
                penalty = tf.reduce_mean(tf.square(norm - 1.0))
                loss = tf.reduce_mean(self(fake)) - tf.reduce_mean(self(real)) + 10.0 * penalty
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"loss": loss}

    return regression(Critic(outputs=1))


@network("GAN")
def _gan() -> TrainingSet:
    class GAN(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="gan")
            self.generator = _CustomStep(FEATURES, "elu", name="generator")
            self.critic = _CustomStep(1, "tanh", name="critic")
            self.built = True

        def train_step(self, data: Any) -> dict[str, tf.Tensor]:
            real, _ = data
            noise = tf.sin(5.0 * real)
            with tf.GradientTape() as tape:
                fake = self.generator(noise)
                loss = tf.reduce_mean(self.critic(fake)) - tf.reduce_mean(self.critic(real))
            variables = self.critic.trainable_variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(self.critic(self.generator(noise)))
            variables = self.generator.trainable_variables
            self.head_optimizer.apply(tape.gradient(loss, variables), variables)
            return {"loss": loss}

    model = GAN()
    model.head_optimizer = sgd()
    model.head_optimizer.build(model.generator.trainable_variables)
    compiled(model, sgd()).optimizer.build(model.critic.trainable_variables)
    return model, normal(FEATURES), TARGETS

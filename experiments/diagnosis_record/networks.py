"""Makes the compiled network of a run, with the planted fault if it is one of the network."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from experiments.common import mlp
from experiments.diagnosis_record.datasets import NUM_TOKENS, REGRESSION, SEVERAL_CLASSES, Array
from experiments.diagnosis_record.generator import Run


def build(run: Run, x: Array) -> keras.Model:
    """Returns the compiled network of a run.

    Args:
        run: The run.
        x: Its inputs, of which only the shape counts.
    """
    mlp.begin(run.number)
    inputs = keras.Input(x.shape[1:], dtype="int32" if run.network == "transformer" else "float32")
    hidden = {"mlp": _stack, "conv": _stack, "rnn": _recurrent, "transformer": _transformer}
    values = hidden[run.network](run, inputs)
    if run.fault == "disconnected":
        values = keras.ops.stop_gradient(values)
    if run.lookalike == "dropout":
        values = layers.Dropout(0.5)(values)
    kernel = "zeros" if run.lookalike == "zero_last" else "glorot_uniform"
    outputs = layers.Dense(
        SEVERAL_CLASSES.get(run.data, 1), kernel_initializer=kernel, name="output"
    )(values)
    model = keras.Model(inputs, outputs, name="network")
    model.compile(_optimizer(run), _loss(run), jit_compile=False)
    return model


def _stack(run: Run, values: Any) -> Any:
    """Hidden layers one after the other, dense or convolutional."""
    for number in range(1, run.depth + 1):
        before, values = values, _layer(run, number)(values)
        if run.normalization:
            values = _normalization(run)(values)
            values = layers.Activation(_activation(run), name=f"activation_{number}")(values)
        if run.residual and number > 1:
            values = layers.Add()([before, values])
        if run.fault == "nan_layer" and number == run.place:
            values = Root(-run.strength, name="root")(values)
    return layers.GlobalAveragePooling2D()(values) if run.network == "conv" else values


def _normalization(run: Run) -> keras.layers.Layer:
    # With Keras's momentum of 0.99, the averages would lag behind such a short training run.
    return (
        layers.BatchNormalization(momentum=0.9)
        if run.normalization == "batch"
        else layers.LayerNormalization()
    )


def _layer(run: Run, number: int) -> keras.layers.Layer:
    """One hidden layer."""
    common = {
        "activation": None if run.normalization else _activation(run),
        "kernel_initializer": _kernel_initializer(run),
        "name": f"hidden_{number}",
    }
    if run.fault == "dead_bias" and number == run.place:
        common["bias_initializer"] = keras.initializers.Constant(-run.strength)
    if run.fault == "regularizer":
        common["kernel_regularizer"] = keras.regularizers.L2(run.strength)
    if run.network == "conv":
        return layers.Conv2D(run.width, 3, padding="same", **common)
    return layers.Dense(run.width, **common)


def _activation(run: Run) -> str:
    return "sigmoid" if run.fault == "sigmoid" else run.activation


def _kernel_initializer(run: Run) -> Any:
    """Returns a new initializer: an object draws the same weights for every layer that uses it."""
    initializer = keras.initializers.get(run.initializer)
    if run.fault in ("small_weights", "large_weights", "saturating_weights"):
        return _Scaled(initializer, run.strength)
    if run.fault == "constant_weights":
        return keras.initializers.Constant(run.strength / run.width)
    return initializer


class _Scaled(keras.initializers.Initializer):
    """Another initializer times a factor."""

    def __init__(self, initializer: Any, factor: float) -> None:
        self._initializer = initializer
        self._factor = factor

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Returns the scaled weights."""
        return self._factor * self._initializer(shape, dtype=dtype)


class Root(layers.Layer):
    """The square root of each value plus an offset, times a weight."""

    def __init__(self, offset: float, **how: Any) -> None:
        super().__init__(**how)
        self.offset = offset

    def build(self, shape: Any) -> None:
        """Creates the weight."""
        self.scale = self.add_weight(shape=[shape[-1]], initializer="ones", name="scale")

    def call(self, x: Any) -> Any:
        """Returns the scaled root."""
        return self.scale * keras.ops.sqrt(x + self.offset)


def _recurrent(run: Run, values: Any) -> Any:
    for number in range(1, run.depth + 1):
        how: dict[str, Any] = {"name": f"hidden_{number}"}
        if run.fault == "large_recurrent_weights":
            initializer = keras.initializers.Orthogonal()
            how["recurrent_initializer"] = _Scaled(initializer, run.strength)
        if run.activation == "SimpleRNN":
            how["activation"] = "relu"
        layer = getattr(layers, run.activation)
        values = layer(run.width, return_sequences=number < run.depth, **how)(values)
    return values


def _transformer(run: Run, inputs: Any) -> Any:
    values = layers.Embedding(NUM_TOKENS, run.width, name="embedding")(inputs)
    for number in range(1, run.depth + 1):
        normalized = layers.LayerNormalization()(values)
        attention = layers.MultiHeadAttention(2, run.width // 2, name=f"attention_{number}")
        values = layers.Add()([values, attention(normalized, normalized)])
        branch = layers.LayerNormalization()(values)
        branch = layers.Dense(2 * run.width, run.activation, name=f"hidden_{number}")(branch)
        values = layers.Add()([values, layers.Dense(run.width, name=f"project_{number}")(branch)])
    return layers.GlobalAveragePooling1D()(layers.LayerNormalization()(values))


def _optimizer(run: Run) -> keras.optimizers.Optimizer:
    rate = run.rate * (run.strength if run.fault in ("large_rate", "tiny_rate") else 1)
    if run.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    return keras.optimizers.SGD(rate, momentum=0.9 if run.optimizer == "momentum" else 0.0)


def _loss(run: Run) -> Any:
    if run.data in REGRESSION:
        return "mse"
    if run.data in SEVERAL_CLASSES:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.BinaryCrossentropy(from_logits=True)

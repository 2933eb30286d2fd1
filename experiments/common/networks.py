"""Small networks of several kinds that classify ten digits, or data of the same shape."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.common.errors import UsageError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Network:
    """A network that is trained.

    Args:
        name: Name of the network in the table.
        make: Makes the uncompiled model.
        batch_size: Examples in a batch.
    """

    name: str
    make: Callable[[], keras.Model]
    batch_size: int = 128


def networks(depth: int, widths: list[int], only: list[str] | None) -> list[Network]:
    """Returns the networks to train: perceptrons, a convolutional network, a transformer."""
    perceptrons = [
        Network(f"{depth}x{width}", functools.partial(_perceptron, depth, width))
        for width in widths
    ]
    found = [
        *perceptrons,
        Network("convnet", _convnet, 32),
        Network("transformer", _transformer, 32),
    ]
    unknown = set(only or []) - {network.name for network in found}
    if unknown:
        raise UsageError(
            f"Expected --only out of {', '.join(network.name for network in found)}. "
            f"Received: {', '.join(sorted(unknown))}."
        )
    return [network for network in found if not only or network.name in only]


def _perceptron(depth: int, width: int) -> keras.Model:
    import keras

    hidden = [keras.layers.Dense(width, activation="relu") for _ in range(depth)]
    output = keras.layers.Dense(10, activation="softmax")
    return keras.Sequential([keras.Input((784,)), *hidden, output])


def _convnet() -> keras.Model:
    import keras
    from keras import layers

    inner: list[keras.layers.Layer] = []
    for filters in (16, 32, 64):
        inner += [
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
        ]
    output = [layers.Flatten(), layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((28, 28, 1)), *inner, *output])


def _transformer() -> keras.Model:
    import keras
    from keras import layers

    inputs = keras.Input((32, 64))
    x = inputs
    for _ in range(2):
        normalized = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(4, 16)(normalized, normalized)
        inner = layers.Dense(256, activation="gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(64)(inner)
    pooled = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(pooled))

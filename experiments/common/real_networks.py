"""Realistic networks, with random data of matching shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.common.errors import UsageError

if TYPE_CHECKING:
    import keras

NAMES = (
    "mobilenet_v2",
    "resnet50",
    "efficientnet_b0",
    "vit_12",
    "lstm",
    "mlp_65",
    "mlp_300",
)

CLASSES = 10
WORDS, LENGTH = 10_000, 64


@dataclass(frozen=True)
class RealNetwork:
    """A network that is trained.

    Args:
        make: Makes the uncompiled model, which returns probabilities of `CLASSES` classes.
        shape: Shape of one example.
        is_of_words: Whether an example consists of integers below `WORDS`.
    """

    make: Callable[[], keras.Model]
    shape: tuple[int, ...]
    is_of_words: bool = False

    def data(self, num_examples: int) -> tuple[Any, Any]:
        """Returns random examples and their classes."""
        import numpy as np

        generator = np.random.default_rng(0)
        size = (num_examples, *self.shape)
        x: Any = generator.normal(size=size).astype(np.float32)
        if self.is_of_words:
            x = generator.integers(0, WORDS, size)
        return x, generator.integers(0, CLASSES, num_examples)


def real_network(name: str) -> RealNetwork:
    """Returns one of `NAMES`, or a perceptron of another depth, such as `mlp_20`.

    Raises:
        UsageError: If there is no network of that name.
    """
    images = (64, 64, 3)
    depth = re.fullmatch(r"mlp_(\d+)", name)
    if depth:
        return RealNetwork(lambda: _perceptron(int(depth[1])), (64,))
    made_for_images = {
        "mobilenet_v2": lambda: _application("MobileNetV2", images),
        "resnet50": lambda: _application("ResNet50", images),
        "efficientnet_b0": lambda: _application("EfficientNetB0", images),
        "vit_12": lambda: _vision_transformer(images),
    }
    if name in made_for_images:
        return RealNetwork(made_for_images[name], images)
    if name == "lstm":
        return RealNetwork(_lstm, (LENGTH,), is_of_words=True)
    raise UsageError(
        f"Expected a network out of {', '.join(NAMES)}, or mlp_ with a number of layers. "
        f"Received: {name}."
    )


def _application(name: str, shape: tuple[int, ...]) -> keras.Model:
    import keras

    return getattr(keras.applications, name)(weights=None, input_shape=shape, classes=CLASSES)


def _perceptron(depth: int) -> keras.Model:
    import keras
    from keras import layers

    hidden = [layers.Dense(64, activation="relu") for _ in range(depth - 1)]
    output = layers.Dense(CLASSES, activation="softmax")
    return keras.Sequential([keras.Input((64,)), *hidden, output])


def _lstm() -> keras.Model:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((LENGTH,)),
            layers.Embedding(WORDS, 64),
            layers.LSTM(64, return_sequences=True),
            layers.LSTM(64),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def _vision_transformer(shape: tuple[int, ...], width: int = 192) -> keras.Model:
    import keras
    from keras import layers

    inputs = keras.Input(shape)
    patches = layers.Conv2D(width, 8, strides=8)(inputs)
    x = layers.Reshape((-1, width))(patches)
    for _ in range(12):
        normalized = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(3, width // 3)(normalized, normalized)])
        inner = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(inner)])
    pooled = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(pooled))

"""Networks of many kinds, with random data of matching shapes."""

from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

CLASSES = 10
LOSS = "sparse_categorical_crossentropy"
IMAGE = (64, 64, 3)
WORDS = 10_000


def make(name: str) -> keras.Model:
    """Returns an uncompiled classifier by a name that `experiments.cost.network_name` accepts."""
    if name in _APPLICATIONS:
        return _APPLICATIONS[name](weights=None, input_shape=IMAGE, classes=CLASSES)
    if name in _OTHERS:
        inputs, x = _OTHERS[name]()
    elif name.startswith("mlp_"):
        inputs, x = _perceptron(int(name[4:]) - 1, width=64, num_inputs=64)
    else:
        depth, width = map(int, name.split("x"))
        inputs, x = _perceptron(depth, width, num_inputs=784)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def random_data(model: keras.Model, num_examples: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns random examples for a model, and their classes."""
    (inputs,) = model.inputs
    generator = np.random.default_rng(0)
    size = (num_examples, *inputs.shape[1:])
    is_of_words = inputs.dtype == "int32"
    x = generator.integers(0, WORDS, size) if is_of_words else generator.normal(size=size)
    return x.astype(inputs.dtype), generator.integers(0, CLASSES, num_examples)


def _perceptron(num_hidden: int, width: int, num_inputs: int) -> tuple[Any, Any]:
    inputs = x = keras.Input((num_inputs,))
    for _ in range(num_hidden):
        x = layers.Dense(width, activation="relu")(x)
    return inputs, x


def _lstm() -> tuple[Any, Any]:
    inputs = keras.Input((64,), dtype="int32")
    x = layers.LSTM(64, return_sequences=True)(layers.Embedding(WORDS, 64)(inputs))
    return inputs, layers.LSTM(64)(x)


def _vision_transformer() -> tuple[Any, Any]:
    inputs = keras.Input(IMAGE)
    x = layers.Reshape((-1, 192))(layers.Conv2D(192, 8, strides=8)(inputs))
    for _ in range(12):
        normalized = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(3, 64)(normalized, normalized)])
        inner = layers.Dense(768, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(192)(inner)])
    return inputs, layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))


_APPLICATIONS = {
    "mobilenet_v2": keras.applications.MobileNetV2,
    "resnet50": keras.applications.ResNet50,
    "efficientnet_b0": keras.applications.EfficientNetB0,
}
_OTHERS = {"vit_12": _vision_transformer, "lstm": _lstm}

"""Small data sets, made by NumPy, and the installed digits.

Each function returns inputs and targets: labels as int64 `[n]` for several classes, as float32
`[n, 1]` for two classes, and float32 `[n, 1]`, standardized, for regression.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.common.mnist import load_subset

Array = NDArray[Any]
NUM_EXAMPLES = 512
NUM_TOKENS = 20
REGRESSION = ("surface", "waves")
SEVERAL_CLASSES = {"blobs": 4, "digits": 10, "bars": 3, "digit_images": 10}
"""Number of classes, where there are more than two."""


def make(name: str, seed: int) -> tuple[Array, Array]:
    """Returns the data set of this name, drawn from a seed."""
    return DATA[name](np.random.default_rng([seed, 2]))


def imbalanced(x: Array, y: Array) -> tuple[Array, Array]:
    """Replaces three of four examples that are not of class 0 by examples of class 0."""
    others, zeros = np.flatnonzero(y.ravel() != 0), np.flatnonzero(y.ravel() == 0)
    index = np.arange(len(x))
    removed = others[np.arange(len(others)) % 4 != 0]
    index[removed] = np.resize(zeros, len(removed))
    return x[index], y[index]


def _blobs(generator: np.random.Generator) -> tuple[Array, Array]:
    labels = np.arange(NUM_EXAMPLES) % 4
    centers = 1.5 * generator.normal(size=[4, 8])
    return centers[labels] + generator.normal(size=[NUM_EXAMPLES, 8]), labels


def _circles(generator: np.random.Generator) -> tuple[Array, Array]:
    labels = np.arange(NUM_EXAMPLES) % 2
    angles = generator.uniform(0, 2 * np.pi, NUM_EXAMPLES)
    radii = np.where(labels, 0.7, 1.7) + 0.1 * generator.normal(size=NUM_EXAMPLES)
    return (radii * [np.cos(angles), np.sin(angles)]).T, _binary(labels)


def _spirals(generator: np.random.Generator) -> tuple[Array, Array]:
    labels = np.arange(NUM_EXAMPLES) % 2
    t = generator.uniform(0.3, 1, NUM_EXAMPLES)
    angles = 1.5 * np.pi * t + np.pi * labels
    x = 2 * t * [np.cos(angles), np.sin(angles)] + 0.05 * generator.normal(size=[2, NUM_EXAMPLES])
    return x.T, _binary(labels)


def _quadrants(generator: np.random.Generator) -> tuple[Array, Array]:
    x = generator.normal(size=[NUM_EXAMPLES, 3])
    return x, _binary(x[:, 0] * x[:, 1] > 0)


def _stripes(generator: np.random.Generator) -> tuple[Array, Array]:
    x = generator.normal(size=[NUM_EXAMPLES, 3])
    return x, _binary(np.abs(x[:, 0] + 0.5 * x[:, 1]) > 0.75)


def _surface(generator: np.random.Generator) -> tuple[Array, Array]:
    x = generator.normal(size=[NUM_EXAMPLES, 4])
    return x, _standardized(np.sin(2 * x[:, 0]) + x[:, 1] * np.abs(x[:, 2]))


def _waves(generator: np.random.Generator) -> tuple[Array, Array]:
    x = generator.normal(size=[NUM_EXAMPLES, 6])
    return x, _standardized(np.cos(1.5 * x[:, 0]) + np.tanh(2 * x[:, 1]) + x[:, 2])


def _digits(generator: np.random.Generator) -> tuple[Array, Array]:
    images, labels = _small_digits()
    chosen = generator.choice(len(images), NUM_EXAMPLES, replace=False)
    x = images[chosen].reshape(NUM_EXAMPLES, -1)
    return (x - x.mean()) / x.std(), labels[chosen]


def _digit_images(generator: np.random.Generator) -> tuple[Array, Array]:
    x, labels = _digits(generator)
    return x.reshape(-1, 7, 7, 1), labels


@functools.cache
def _small_digits() -> tuple[Array, Array]:
    """Returns the installed digits, averaged over squares of 4 by 4 pixels."""
    digits = load_subset()
    images = digits.x_train.reshape(-1, 7, 4, 7, 4).mean((2, 4))
    return images, digits.y_train


def _bars(generator: np.random.Generator) -> tuple[Array, Array]:
    x = 0.3 * generator.normal(size=[NUM_EXAMPLES, 7, 7, 1])
    labels = np.arange(NUM_EXAMPLES) % 3
    for image, label, place in zip(x, labels, generator.integers(7, size=len(x)), strict=True):
        if label == 0:
            image[place] += 1
        elif label == 1:
            image[:, place] += 1
        else:
            image[np.arange(7), np.roll(np.arange(7), place)] += 1
    return (x - x.mean()) / x.std(), labels


def _sums(generator: np.random.Generator) -> tuple[Array, Array]:
    x = generator.normal(size=[NUM_EXAMPLES, 10, 3])
    return x, _binary(x[:, :, 0].sum(1) > 0)


def _first(generator: np.random.Generator) -> tuple[Array, Array]:
    x = generator.normal(size=[NUM_EXAMPLES, 6, 3])
    return x, _binary(x[:, 0, 0] + x[:, -1, 1] > 0)


def _majority(generator: np.random.Generator) -> tuple[Array, Array]:
    x = generator.integers(NUM_TOKENS, size=[NUM_EXAMPLES, 7])
    return x, _binary((x % 2).mean(1) > 0.5)


def _marked(generator: np.random.Generator) -> tuple[Array, Array]:
    x = generator.integers(1, NUM_TOKENS, [NUM_EXAMPLES, 7])
    places, labels = generator.integers(7, size=NUM_EXAMPLES), np.arange(NUM_EXAMPLES) % 2
    x[np.arange(NUM_EXAMPLES), places] = np.where(labels, 0, x[np.arange(NUM_EXAMPLES), places])
    return x, _binary(labels)


def _binary(labels: Array) -> Array:
    return labels.astype(np.float32)[:, None]


def _standardized(y: Array) -> Array:
    return ((y - y.mean()) / y.std()).astype(np.float32)[:, None]


DATA: dict[str, Callable[[np.random.Generator], tuple[Array, Array]]] = {
    "blobs": _blobs,
    "circles": _circles,
    "spirals": _spirals,
    "quadrants": _quadrants,
    "stripes": _stripes,
    "surface": _surface,
    "waves": _waves,
    "digits": _digits,
    "digit_images": _digit_images,
    "bars": _bars,
    "sums": _sums,
    "first": _first,
    "majority": _majority,
    "marked": _marked,
}
"""The data sets by name."""

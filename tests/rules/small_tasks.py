"""Small learning problems for the runs of `healthy_runs.py` and `sick_runs.py`.

Each function returns inputs and targets as float32 or integer arrays, always the same. A linear
model can't solve those of vectors, except `slope`: the hidden layers have to learn.
"""

import numpy as np

FEATURES = 8
"""Number of inputs of the problems of vectors."""

NUM_TOKENS = 20
"""Number of different tokens of `repeated_token`."""

NUM_WORDS = 2000
"""Number of different tokens of `rare_words`."""


def repeated(data, times=10):
    """The same examples several times over, for fewer epochs of more steps: an epoch costs time."""
    return tuple(np.tile(array, [times] + [1] * (array.ndim - 1)) for array in data)


def quadrants(num_examples=512, seed=0):
    """Whether the first two of eight inputs have the same sign: x `[n, 8]`, y `[n, 1]`."""
    x = np.random.default_rng(seed).normal(size=[num_examples, FEATURES]).astype(np.float32)
    return x, (x[:, :1] * x[:, 1:2] > 0).astype(np.float32)


def imbalanced(num_examples=1024):
    """As `quadrants`, but a class has one example in twenty."""
    x = np.random.default_rng(0).normal(size=[num_examples, FEATURES]).astype(np.float32)
    distance = x[:, :1] * x[:, 1:2]
    return x, (distance > np.quantile(distance, 0.95)).astype(np.float32)


def curve(num_examples=512):
    """A smooth function of eight inputs, standardized: x `[n, 8]`, y `[n, 1]`."""
    x = np.random.default_rng(0).normal(size=[num_examples, FEATURES]).astype(np.float32)
    y = np.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:3]
    return x, (y - y.mean()) / y.std()


def slope(num_examples=512):
    """A linear function of eight inputs: x `[n, 8]`, y `[n, 1]`."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=[num_examples, FEATURES]).astype(np.float32)
    return x, (x @ generator.normal(size=[FEATURES, 1]) / FEATURES**0.5).astype(np.float32)


def grayscale(num_examples=512):
    """As `quadrants`, with inputs from 0 to 255 as in unscaled images."""
    x, y = quadrants(num_examples)
    return np.clip(128 + 64 * x, 0, 255), y


def low_rank(num_examples=512):
    """Sixteen numbers that lie near a curved surface of two dimensions, to be reproduced."""
    generator = np.random.default_rng(0)
    hidden = generator.normal(size=[num_examples, 2])
    x = np.tanh(hidden @ generator.normal(size=[2, 16])).astype(np.float32)
    return x, x


def bars(num_examples=256):
    """Images of a horizontal, a vertical or a diagonal bar in noise: x `[n, 8, 8, 1]`, y `[n]`."""
    generator = np.random.default_rng(0)
    x = generator.normal(scale=0.3, size=[num_examples, 8, 8, 1]).astype(np.float32)
    y = np.arange(num_examples) % 3
    for image, kind, place in zip(x, y, generator.integers(1, 7, num_examples), strict=True):
        if kind == 0:
            image[place] += 1
        elif kind == 1:
            image[:, place] += 1
        else:
            image[np.arange(8), np.roll(np.arange(8), place)] += 1
    return x, y


def sums(length=12, num_examples=256):
    """Whether an input is positive on average over time: x `[n, length, 3]`, y `[n, 1]`."""
    x = np.random.default_rng(0).normal(size=[num_examples, length, 3]).astype(np.float32)
    return x, (x[:, :, 0].sum(1, keepdims=True) > 0).astype(np.float32)


def repeated_token(length=8, num_examples=512):
    """Whether the first token occurs again: x `[n, length]` of `NUM_TOKENS`, y `[n, 1]`."""
    generator = np.random.default_rng(0)
    x = generator.integers(1, NUM_TOKENS, [num_examples, length])
    again = np.arange(num_examples) % 2 == 0
    x[again, generator.integers(1, length, num_examples)[again]] = x[again, 0]
    return x, (x[:, 1:] == x[:, :1]).any(1, keepdims=True).astype(np.float32)


def rare_words(length=8, num_examples=512):
    """Whether even tokens prevail. They follow Zipf's law: x `[n, length]`, y `[n, 1]`."""
    x = np.random.default_rng(0).zipf(1.3, [num_examples, length]) % NUM_WORDS
    return x, (x % 2 == 0).mean(1, keepdims=True).round().astype(np.float32)


def ring(num_examples=512):
    """Points near a circle: x `[n, 2]` twice."""
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, num_examples)
    x = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    return x, x

"""When an output counts as saturated, and which share of a layer's outputs is.

A saturated unit hardly answers to its input: its activation function is almost level there. One
yardstick for all functions: the slope has fallen below 0.0591 of that at zero, which for tanh is
the customary |a| > 0.97 (1 - 0.97**2 = 0.0591).

References:
    tanh: A. Karpathy, Neural Networks: Zero to Hero, part 4, 2022, whose histograms of activations
    call |a| > 0.97 saturated. The other bounds are the outputs at which the slope of that function
    is the same share of its slope at zero; hard functions are level from their ends on.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import tensorflow as tf

_SLOPE = 1 - 0.97**2
"""The share of the slope at zero that is left at the bound."""

_SELU = 1.0507009873554805 * 1.6732632423543772  # scale * alpha, as in Keras


class Bounds(NamedTuple):
    """A unit is saturated where its output is `lower` or less, or `upper` or more."""

    lower: float
    upper: float


BOUNDS = {
    "tanh": Bounds(-0.97, 0.97),
    # a (1 - a) = _SLOPE / 4
    "sigmoid": Bounds((1 - 0.97) / 2, (1 + 0.97) / 2),
    # (1 - |a|)**2 = _SLOPE
    "softsign": Bounds(-(1 - math.sqrt(_SLOPE)), 1 - math.sqrt(_SLOPE)),
    # 1 + a = _SLOPE for the branch below zero; above there is no bound.
    "elu": Bounds(-(1 - _SLOPE), math.inf),
    "celu": Bounds(-(1 - _SLOPE), math.inf),
    "selu": Bounds(-_SELU * (1 - _SLOPE), math.inf),
    "hard_sigmoid": Bounds(0.0, 1.0),
    "hard_tanh": Bounds(-1.0, 1.0),
    "relu6": Bounds(-math.inf, 6.0),
}
"""The bounds by the name of the Keras activation. A function that is not here does not saturate,
or not at a level that its output tells: ReLU's zeros are counted apart, as dead units."""


def saturated_share(outputs: tf.Tensor, bounds: Bounds) -> tf.Tensor:
    """Returns the share of outputs beyond the bounds.

    That is the fraction of units that are saturated, averaged over the examples. NaN counts as not
    saturated.

    Args:
        outputs: A layer's outputs, of any shape and floating dtype.
        bounds: Out of `BOUNDS`.

    Returns:
        float64 scalar from 0 to 1; NaN for an empty tensor.
    """
    outputs = tf.cast(outputs, tf.float32)
    # An infinite bound is none, not even for an infinite output.
    beyond = tf.zeros_like(outputs, tf.bool)
    if math.isfinite(bounds.lower):
        beyond |= outputs <= bounds.lower
    if math.isfinite(bounds.upper):
        beyond |= outputs >= bounds.upper
    return tf.reduce_mean(tf.cast(beyond, tf.float64))

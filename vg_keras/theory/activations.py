"""Activation functions and their derivatives in NumPy float64, by the names that Keras gives them.

`prediction.py` integrates over them; what a trained network puts out is measured elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@dataclass(frozen=True)
class Activation:
    """An activation function and its derivative.

    Args:
        function: Takes and returns float64 `[n]`.
        derivative: Likewise.
    """

    function: Function
    derivative: Function


def leaky_relu(negative_slope: float) -> Activation:
    """Returns LeakyReLU of that slope below zero; 0 is ReLU."""
    return Activation(
        lambda x: np.where(x > 0, x, negative_slope * x),
        lambda x: np.where(x > 0, 1.0, negative_slope),
    )


def elu(alpha: float, scale: float = 1.0) -> Activation:
    """Returns ELU, multiplied by a scale."""
    return Activation(
        lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x: scale * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),
    )


def normal_density(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the density of the standard normal distribution."""
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _normal_distribution(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 + _erf(x / math.sqrt(2))) / 2


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 + np.tanh(x / 2)) / 2


ACTIVATIONS = {
    "linear": Activation(lambda x: x, np.ones_like),
    "sigmoid": Activation(_sigmoid, lambda x: _sigmoid(x) * (1 - _sigmoid(x))),
    "tanh": Activation(np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "softsign": Activation(lambda x: x / (1 + np.abs(x)), lambda x: (1 + np.abs(x)) ** -2.0),
    "relu": leaky_relu(0.0),
    "leaky_relu": leaky_relu(0.2),
    "elu": elu(1.0),
    "selu": elu(_SELU_ALPHA, _SELU_SCALE),
    "gelu": Activation(
        lambda x: x * _normal_distribution(x),
        lambda x: _normal_distribution(x) + x * normal_density(x),
    ),
    "silu": Activation(
        lambda x: x * _sigmoid(x),
        lambda x: _sigmoid(x) * (1 + x * (1 - _sigmoid(x))),
    ),
}
"""By the name of the Keras activation, with the defaults of `keras.activations`."""

_ALIASES = {"swish": "silu"}


def get(activation: Any) -> Activation:
    """Returns an activation function with its derivative.

    Args:
        activation: What a Keras layer takes: a name out of `ACTIVATIONS`, None for linear, a
            function of `keras.activations`, a ReLU, LeakyReLU, ELU or Activation layer; or an
            `Activation` of this module.

    Raises:
        ValueError: It is none of these.
    """
    if activation is None:
        return ACTIVATIONS["linear"]
    if isinstance(activation, Activation):
        return activation
    kind = type(activation).__name__
    if kind == "Activation":
        return get(activation.activation)
    if kind in ("LeakyReLU", "ELU", "ReLU"):
        settings = activation.get_config()
        if kind == "ELU":
            return elu(float(settings["alpha"]))
        if not (settings.get("max_value") or settings.get("threshold")):
            return leaky_relu(float(settings["negative_slope"]))
    name = activation if isinstance(activation, str) else getattr(activation, "__name__", kind)
    name = _ALIASES.get(name, name)
    if name not in ACTIVATIONS:
        raise ValueError(
            f"`activation` must be out of {', '.join(ACTIVATIONS)}, or a "
            f"`vg_keras.theory.Activation`. Received: activation={activation!r}."
        )
    return ACTIVATIONS[name]

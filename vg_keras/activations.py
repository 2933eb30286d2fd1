"""The table of activation functions, by Keras name.

Each entry holds the function and the derivative that `vg_keras.theory` integrates, the outputs at
which a unit is saturated, and whether units can die. Imports neither TensorFlow nor Keras.

A saturated unit hardly responds to its input, because its activation function is almost flat there.
The same criterion is used for all functions: the slope is at most 0.0591 of the slope at zero,
which for tanh is the usual |a| > 0.97 (1 - 0.97**2 = 0.0591).

References:
    tanh: A. Karpathy, Neural Networks: Zero to Hero, part 4, 2022, whose histograms of activations
    call |a| > 0.97 saturated. The other bounds are the outputs at which the slope is the same
    fraction of the slope at zero; hard functions are flat beyond their ends.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805

_SLOPE = 1 - 0.97**2
"""The slope at the bounds, as a fraction of the slope at zero."""


class Bounds(NamedTuple):
    """Saturation bounds: a unit is saturated if its output is <= `lower` or >= `upper`."""

    lower: float
    upper: float


@dataclass(frozen=True)
class Activation:
    """An activation function.

    Args:
        function: The function, from float64 `[n]` to float64 `[n]`.
        derivative: Its derivative, of the same signature.
        saturation: The outputs at which a unit is saturated. None for a function that does not
            saturate, or whose output does not show it: zeros of ReLU are counted as dead units.
        is_rectifier: Whether the output is exactly zero for half of all inputs, so that units can
            die.
    """

    function: Function
    derivative: Function
    saturation: Bounds | None = None
    is_rectifier: bool = False


def leaky_relu(negative_slope: float) -> Activation:
    """Returns LeakyReLU with this slope below zero; a slope of 0 gives ReLU."""
    return Activation(
        lambda x: np.where(x > 0, x, negative_slope * x),
        lambda x: np.where(x > 0, 1.0, negative_slope),
        is_rectifier=negative_slope == 0,
    )


def elu(alpha: float, scale: float = 1.0) -> Activation:
    """Returns ELU, multiplied by a scale."""
    return Activation(
        lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x: scale * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),
        # a + alpha = _SLOPE * alpha for the branch below zero; above zero there is no bound.
        Bounds(-scale * alpha * (1 - _SLOPE), math.inf),
    )


def _clipped(lower: float, upper: float, slope: float = 1.0, offset: float = 0.0) -> Activation:
    """Returns a linear function clipped at both ends."""

    def function(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(slope * x + offset, lower, upper)

    def derivative(x: NDArray[np.float64]) -> NDArray[np.float64]:
        line = slope * x + offset
        return np.where((line > lower) & (line < upper), slope, 0.0)

    return Activation(function, derivative, Bounds(lower, upper))


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
    "sigmoid": Activation(
        _sigmoid,
        lambda x: _sigmoid(x) * (1 - _sigmoid(x)),
        Bounds((1 - 0.97) / 2, (1 + 0.97) / 2),  # a (1 - a) = _SLOPE / 4
    ),
    "tanh": Activation(np.tanh, lambda x: 1 - np.tanh(x) ** 2, Bounds(-0.97, 0.97)),
    "softsign": Activation(
        lambda x: x / (1 + np.abs(x)),
        lambda x: (1 + np.abs(x)) ** -2.0,
        Bounds(-(1 - math.sqrt(_SLOPE)), 1 - math.sqrt(_SLOPE)),  # (1 - |a|)**2 = _SLOPE
    ),
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
    "celu": elu(1.0),
    "hard_sigmoid": _clipped(0.0, 1.0, slope=1 / 6, offset=0.5),
    "hard_tanh": _clipped(-1.0, 1.0),
    "relu6": dataclasses.replace(
        _clipped(0.0, 6.0), saturation=Bounds(-math.inf, 6.0), is_rectifier=True
    ),
}
"""Activation functions by Keras name, with the defaults of `keras.activations`."""

_UNTESTED = ("celu", "hard_sigmoid", "hard_tanh", "relu6")

PREDICTED = {name: found for name, found in ACTIVATIONS.items() if name not in _UNTESTED}
"""Activation functions whose mean-field predictions are tested against real networks."""

_ALIASES = {"swish": "silu"}


def is_rectifier(name: str | None) -> bool:
    """Whether the activation function of this name is zero for half of all inputs."""
    return name in ACTIVATIONS and ACTIVATIONS[name].is_rectifier


def get(activation: Any) -> Activation:
    """Returns an activation function with its derivative.

    Args:
        activation: Anything a Keras layer takes (a name in `PREDICTED`, None for linear, a
            function of `keras.activations`), a ReLU, LeakyReLU, ELU or Activation layer, or an
            `Activation` of this module.

    Raises:
        ValueError: If it is none of these.
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
    if name not in PREDICTED:
        raise ValueError(
            f"`activation` must be one of {', '.join(PREDICTED)}, or a "
            f"`vg_keras.theory.Activation`. Received: activation={activation!r}."
        )
    return PREDICTED[name]

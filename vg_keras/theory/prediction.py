"""Mean-field theory: how far a signal propagates through layers with random weights.

In a wide network with random weights, the pre-activations of each layer are Gaussian. From layer to
layer their variance q converges to a fixed point q*. There the norm of the backpropagated signal
changes by the factor sqrt(chi) per layer: below 1 it vanishes, above 1 it explodes.

    q   = sw2 * E[f(sqrt(q) z)**2] + sb2            chi = sw2 * E[f'(sqrt(q*) z)**2]

where z is a standard normal variable, sw2 the variance of a weight times the number of inputs of a
unit, and sb2 the variance of a bias.

References:
    B. Poole et al., Exponential expressivity in deep neural networks through transient chaos,
    NeurIPS 2016, equations 3 and 6. S. Schoenholz et al., Deep Information Propagation, ICLR 2017.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vg_keras import activations
from vg_keras.activations import Function
from vg_keras.theory.initializers import bias_variance_of, weight_variance_of

_SMALLEST, _LARGEST = 1e-11, 1e11
"""A variance below the first counts as 0, above the second as infinite: beyond them, rounding hides
whether it still grows."""


@dataclass(frozen=True)
class Prediction:
    """The mean-field prediction for a deep network of identical layers.

    Args:
        weight_variance: sw2, the variance of a weight times the number of inputs.
        bias_variance: sb2, the variance of a bias.
        q: q*, the variance of the pre-activations that the forward pass converges to; infinite if
            it grows without bound, NaN if every variance is a fixed point.
        chi: The factor by which the mean square of the backpropagated signal changes per layer.
    """

    weight_variance: float
    bias_variance: float
    q: float
    chi: float

    @property
    def factor_per_layer(self) -> float:
        """sqrt(chi), the factor by which the backpropagated signal's norm changes per layer."""
        return math.sqrt(self.chi)

    def factor_per_unit(self, units: int, next_units: int) -> float:
        """Returns the factor by which the root mean square of the signal over units changes.

        Args:
            units: Number of units of a layer.
            next_units: Number of units of the next layer, from which the signal comes.
        """
        return math.sqrt(self.chi * next_units / units)

    def after(self, depth: int) -> float:
        """Returns the factor over `depth` layers."""
        return self.factor_per_layer**depth

    def __str__(self) -> str:
        """Returns a sentence on whether the signal vanishes or explodes."""
        factor = f"{self.factor_per_layer:.3g}"
        verb = "grows" if self.factor_per_layer > 1 else "shrinks"
        change = "keeps its size" if factor == "1" else f"{verb} to {factor} times its size"
        return (
            f"q* = {self.q:.4g}, chi = {self.chi:.4g}: the backpropagated signal {change} at each "
            f"layer (a factor of {self.after(10):.2g} over ten layers)."
        )


def predict(
    activation: Any,
    kernel_initializer: Any = "glorot_uniform",
    bias_initializer: Any = "zeros",
    *,
    fan_in: int = 512,
    fan_out: int | None = None,
) -> Prediction:
    """Predicts from the settings of a Keras layer how a deep network of such layers behaves.

    Args:
        activation: As for a Keras layer: "sigmoid", "tanh", "softsign", "relu", "leaky_relu",
            "elu", "selu", "gelu", "silu", "linear" or None, or a function or layer of these.
        kernel_initializer: A Keras initializer or its name; see `weight_variance_of`.
        bias_initializer: A Keras initializer or its name; see `bias_variance_of`.
        fan_in: Number of inputs of a unit. It matters only if it differs from `fan_out`, or for
            initializers that ignore it, such as `RandomNormal`.
        fan_out: Number of units of the layer; `fan_in` by default.

    Raises:
        ValueError: If the activation or an initializer is not supported.

    Example:
        >>> print(predict("sigmoid", "glorot_uniform"))
        q* = 0.2647, chi = 0.05572: the backpropagated signal shrinks to 0.236 times its size at \
each layer (a factor of 5.4e-07 over ten layers).
        >>> round(predict("relu", "he_normal").factor_per_layer, 6)
        1.0
    """
    sw2 = weight_variance_of(kernel_initializer, fan_in, fan_out)
    return mean_field(activation, sw2, bias_variance_of(bias_initializer))


def mean_field(activation: Any, weight_variance: float, bias_variance: float = 0.0) -> Prediction:
    """Predicts from the variances of weights and biases how a deep network behaves.

    Args:
        activation: As in `predict`.
        weight_variance: sw2, the variance of a weight times the number of inputs.
        bias_variance: sb2, the variance of a bias.

    Raises:
        ValueError: If the activation is not supported, or a variance is negative or not finite.
    """
    _check_variances(weight_variance=weight_variance, bias_variance=bias_variance)
    f = activations.get(activation)
    q = _fixed_point(lambda q: weight_variance * _mean_square(f.function, q) + bias_variance)
    # For q* of 0, infinity or NaN (any), take the slope at tiny, huge or arbitrary inputs.
    at = 1.0 if math.isnan(q) else min(max(q, _SMALLEST), _LARGEST)
    chi = weight_variance * _mean_square(f.derivative, at)
    return Prediction(weight_variance, bias_variance, q, chi)


def critical_weight_variance(activation: Any, bias_variance: float = 0.0) -> float:
    """Returns the sw2 at which the backpropagated signal neither vanishes nor explodes, chi = 1.

    With a smaller sw2 the signal vanishes, with a larger sw2 it explodes.

    Args:
        activation: As in `predict`.
        bias_variance: sb2, the variance of a bias.

    Returns:
        The critical sw2, such as 2 for ReLU; infinity if the signal vanishes for every sw2 up to
        1e6. For GELU and SiLU, chi and q* jump there, so that chi skips 1. Assumes that chi
        grows with sw2, as it does for all of `ACTIVATIONS`.
    """
    low, high = 1e-6, 1e6
    if mean_field(activation, high, bias_variance).chi < 1:
        return math.inf
    while high / low > 1 + 1e-12:
        middle = math.sqrt(low * high)
        if mean_field(activation, middle, bias_variance).chi < 1:
            low = middle
        else:
            high = middle
    return high


def mean_field_path(
    activation: Any,
    weight_variance: float,
    bias_variance: float = 0.0,
    *,
    q: float,
    depth: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Follows the signal layer by layer; `mean_field` returns only its limit.

    Some networks need hundreds of layers to come close to their fixed point, so their first ten
    layers behave differently: GELU with He's initializer, tanh with Glorot's.

    Args:
        activation: As in `predict`.
        weight_variance: sw2, the variance of a weight times the number of inputs.
        bias_variance: sb2, the variance of a bias.
        q: Variance of the first layer's pre-activations, sw2 * E[x**2] + sb2 for inputs x of the
            network.
        depth: Number of layers.

    Returns:
        Two float64 arrays `[depth]`, from the first layer to the last: the variance q of the
        pre-activations, and chi, the factor by which the mean square of the backpropagated signal
        changes from the output of the layer to the output of the previous one.

    Raises:
        ValueError: If the activation is not supported, a variance is negative or not finite, or
            `depth` is less than 1.

    Example:
        >>> q, chi = mean_field_path("tanh", 1.0, q=1.0, depth=10)
        >>> [round(float(factor), 2) for factor in chi**0.5]
        [0.68, 0.8, 0.85, 0.88, 0.9, 0.92, 0.93, 0.94, 0.94, 0.95]
    """
    _check_variances(weight_variance=weight_variance, bias_variance=bias_variance, q=q)
    if depth < 1:
        raise ValueError(f"`depth` must be at least 1. Received: depth={depth}.")
    f = activations.get(activation)
    variances = [q]
    for _ in range(depth - 1):
        variances.append(weight_variance * _mean_square(f.function, variances[-1]) + bias_variance)
    chi = [weight_variance * _mean_square(f.derivative, q) for q in variances]
    return np.array(variances), np.array(chi)


def _check_variances(**variances: float) -> None:
    if not all(0 <= variance < math.inf for variance in variances.values()):
        received = ", ".join(f"{name}={variance}" for name, variance in variances.items())
        raise ValueError(f"Variances must be finite and not negative. Received: {received}.")


def _fixed_point(next_q: Callable[[float], float]) -> float:
    """Returns the fixed point of next_q to which q converges from 1; NaN if every q is one.

    Follows the sign of next_q(q) - q instead of iterating, which converges too slowly near chi = 1.
    """
    if all(math.isclose(next_q(q), q, rel_tol=1e-12) for q in (1e-6, 1.0, 1e6)):
        return math.nan
    grows = next_q(1.0) > 1
    near, stride = 1.0, 2 ** (0.25 if grows else -0.25)
    while (next_q(near * stride) > near * stride) == grows:
        near *= stride
        if not _SMALLEST < near < _LARGEST:
            return math.inf if grows else 0.0
    far = near * stride
    while not math.isclose(near, far, rel_tol=1e-15):
        middle = math.sqrt(near * far)
        if middle in (near, far):
            break
        near, far = (middle, far) if (next_q(middle) > middle) == grows else (near, middle)
    return math.sqrt(near * far)


def _mean_square(function: Function, q: float) -> float:
    """Returns E[function(sqrt(q) z)**2]."""
    return float(_WEIGHTS @ function(math.sqrt(q) * _NODES) ** 2)


def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns quadrature nodes and weights for the standard normal distribution.

    Gauss-Legendre on panels that shrink towards zero, where activation functions have their kinks
    and, for large q, all of their curvature.
    """
    edges = np.concatenate([[0.0], 2.0 ** np.arange(-60, 0), np.arange(1.0, 14.5, 0.5)])
    x, w = np.polynomial.legendre.leggauss(20)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    nodes = (middle[:, np.newaxis] + half[:, np.newaxis] * x).reshape(-1)
    weights = (half[:, np.newaxis] * w).reshape(-1) * activations.normal_density(nodes)
    return np.concatenate([-nodes[::-1], nodes]), np.concatenate([weights[::-1], weights])


_NODES, _WEIGHTS = _quadrature()

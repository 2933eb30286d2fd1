"""Mean-field theory: how far the signal reaches through layers of random weights.

In a wide network with random weights the inputs of each layer's units are Gaussian. Their variance
q runs from layer to layer to a fixed point q*, and there the backpropagated signal changes by the
factor sqrt(chi) a layer: below 1 it vanishes, above 1 it explodes.

    q   = sw2 * E[f(sqrt(q) z)**2] + sb2            chi = sw2 * E[f'(sqrt(q*) z)**2]

with z a standard normal number, sw2 the variance of a weight times the number of a unit's inputs,
and sb2 the variance of a bias.

References:
    B. Poole et al., Exponential expressivity in deep neural networks through transient chaos,
    NeurIPS 2016, equations 3 and 5. S. Schoenholz et al., Deep Information Propagation, ICLR 2017.
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
"""Below the one a variance counts as 0, above the other as infinite: beyond them rounding hides
whether it still grows."""


@dataclass(frozen=True)
class Prediction:
    """What theory predicts of one layer among many like it.

    Args:
        weight_variance: sw2, the variance of a weight times the number of inputs.
        bias_variance: sb2, the variance of a bias.
        q: q*, the variance of the inputs of the activation function that the forward pass runs to;
            infinite if it grows without bound, NaN if each stays as it is.
        chi: The factor by which the mean square of the backpropagated signal changes a layer.
    """

    weight_variance: float
    bias_variance: float
    q: float
    chi: float

    @property
    def factor_per_layer(self) -> float:
        """The factor by which the norm of the backpropagated signal changes a layer, sqrt(chi)."""
        return math.sqrt(self.chi)

    def factor_per_unit(self, units: int, next_units: int) -> float:
        """Returns the factor by which the root mean square over units changes.

        Args:
            units: Units of a layer.
            next_units: Units of the layer after it, from which the signal comes.
        """
        return math.sqrt(self.chi * next_units / units)

    def after(self, depth: int) -> float:
        """Returns the factor over so many layers."""
        return self.factor_per_layer**depth

    def __str__(self) -> str:
        """Says whether the signal will vanish."""
        factor = f"{self.factor_per_layer:.3g}"
        verb = "grows" if self.factor_per_layer > 1 else "shrinks"
        change = "keeps its size" if factor == "1" else f"{verb} to {factor} of itself"
        return (
            f"q* = {self.q:.4g}, chi = {self.chi:.4g}: the backpropagated signal {change} at each "
            f"layer; over ten layers that is a factor of {self.after(10):.2g}."
        )


def predict(
    activation: Any,
    kernel_initializer: Any = "glorot_uniform",
    bias_initializer: Any = "zeros",
    *,
    fan_in: int = 512,
    fan_out: int | None = None,
) -> Prediction:
    """Predicts from the settings of a Keras layer what many layers like it do to the signal.

    Args:
        activation: As a Keras layer takes it: "sigmoid", "tanh", "softsign", "relu", "leaky_relu",
            "elu", "selu", "gelu", "silu", "linear" or None, or a function or layer of these.
        kernel_initializer: A Keras initializer or the name of one; see `weight_variance_of`.
        bias_initializer: Likewise; see `bias_variance_of`.
        fan_in: Number of inputs of a unit. What it is matters only to initializers that take no
            notice of it, such as `RandomNormal`, or where it differs from `fan_out`.
        fan_out: Number of units of the layer, by default the same.

    Raises:
        ValueError: The theory knows no such activation or initializer.

    Example:
        >>> print(predict("sigmoid", "glorot_uniform"))
        q* = 0.2647, chi = 0.05572: the backpropagated signal shrinks to 0.236 of itself at each \
layer; over ten layers that is a factor of 5.4e-07.
        >>> round(predict("relu", "he_normal").factor_per_layer, 6)
        1.0
    """
    sw2 = weight_variance_of(kernel_initializer, fan_in, fan_out)
    return mean_field(activation, sw2, bias_variance_of(bias_initializer))


def mean_field(activation: Any, weight_variance: float, bias_variance: float = 0.0) -> Prediction:
    """Predicts what a deep network of one kind of layer does to the signal.

    Args:
        activation: As in `predict`.
        weight_variance: sw2, the variance of a weight times the number of inputs.
        bias_variance: sb2, the variance of a bias.

    Raises:
        ValueError: The theory knows no such activation, or a variance is negative or not finite.
    """
    _check_variances(weight_variance=weight_variance, bias_variance=bias_variance)
    f = activations.get(activation)
    q = _fixed_point(lambda q: weight_variance * _mean_square(f.function, q) + bias_variance)
    # Where q is 0, infinite or anything, the slope is that of the smallest, the largest, any input.
    at = 1.0 if math.isnan(q) else min(max(q, _SMALLEST), _LARGEST)
    chi = weight_variance * _mean_square(f.derivative, at)
    return Prediction(weight_variance, bias_variance, q, chi)


def critical_weight_variance(activation: Any, bias_variance: float = 0.0) -> float:
    """Returns the sw2 at which the backpropagated signal neither vanishes nor explodes, chi = 1.

    Weights that vary less let it vanish, others let it explode.

    Args:
        activation: As in `predict`.
        bias_variance: sb2, the variance of a bias.

    Returns:
        2 for ReLU; infinity where it vanishes for every sw2 up to 1e6. The chi of GELU and SiLU
        does not pass 1 there but leaps over it, together with q*. Assumes, as holds for all of
        `ACTIVATIONS`, that chi grows with sw2.
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
    """Follows the signal layer by layer, where `mean_field` says what it runs to in the end.

    Some networks need hundreds of layers to come near their fixed point, so that their first ten
    do something else: GELU with He's initializer, tanh with Glorot's.

    Args:
        activation: As in `predict`.
        weight_variance: sw2, the variance of a weight times the number of inputs.
        bias_variance: sb2, the variance of a bias.
        q: Variance of the inputs of the first layer's activation function, which is
            sw2 * E[x**2] + sb2 for inputs x of the network.
        depth: Number of layers.

    Returns:
        Two float64 `[depth]` from the first layer to the last: the variance q of the inputs of its
        activation function, and chi, by which the mean square of the backpropagated signal changes
        on its way back from its output to that of the layer before.

    Raises:
        ValueError: The theory knows no such activation, a variance is negative or not finite, or
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
    """Returns where q = next_q(q) is run to from 1; NaN where every q is such a point.

    Follows the sign of next_q(q) - q and does not iterate, which near chi = 1 takes for ever.
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
    """Returns nodes and weights of the standard normal distribution.

    Gauss and Legendre's on panels that shrink towards zero, where activation functions have their
    kinks and, at a large q, all of their bend.
    """
    edges = np.concatenate([[0.0], 2.0 ** np.arange(-60, 0), np.arange(1.0, 14.5, 0.5)])
    x, w = np.polynomial.legendre.leggauss(20)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    nodes = (middle[:, np.newaxis] + half[:, np.newaxis] * x).reshape(-1)
    weights = (half[:, np.newaxis] * w).reshape(-1) * activations.normal_density(nodes)
    return np.concatenate([-nodes[::-1], nodes]), np.concatenate([weights[::-1], weights])


_NODES, _WEIGHTS = _quadrature()

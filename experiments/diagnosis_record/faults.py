"""The faults that can be planted: in which runs, how strong, and which diagnoses are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

FOUR_KINDS = ("vanishing", "exploding", "dead", "non-finite")
"""The kinds of faults for which goals are set."""

RECTIFIERS = ("relu",)
SATURATING = ("tanh", "sigmoid")
UNBOUNDED = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu")

Strength = Callable[[Any, np.random.Generator], float]


@dataclass(frozen=True)
class Fault:
    """A fault.

    Args:
        name: Its name.
        kind: What is wrong with a run that has it.
        codes: The rules of which one must be diagnosed.
        fits: Whether the fault can be planted in a run.
        strength: Draws how strong it is; what the number means is in the comment.
        is_local: Whether it is planted in one hidden layer, so that a diagnosis can name it.
        at: The layer that a diagnosis must name first, which may contain the number of the place;
            "" for any.
    """

    name: str
    kind: str
    codes: frozenset[str]
    fits: Callable[[Any], bool]
    strength: Strength
    is_local: bool = False
    at: str = ""

    def draw(self, run: Any, generator: np.random.Generator) -> tuple[float, int]:
        """Draws the strength and the place in a run."""
        strength = float(f"{self.strength(run, generator):.3g}")
        return strength, int(generator.integers(1, run.depth + 1)) if self.is_local else 0


FAULTS: dict[str, Fault] = {}
"""All faults by name."""


def _add(name: str, kind: str, codes: str, fits: Any, strength: Strength, **how: Any) -> None:
    FAULTS[name] = Fault(name, kind, frozenset(codes.split()), fits, strength, **how)


def _uniform(low: float, high: float) -> Strength:
    return lambda run, generator: generator.uniform(low, high)


def _log(low: float, high: float) -> Strength:
    return lambda run, generator: 10 ** generator.uniform(low, high)


def _gain(low: float, high: float) -> Strength:
    """A gain of each layer that changes the signal by 10^low to 10^high over all of them."""
    return lambda run, generator: 10 ** (generator.uniform(low, high) / max(1, run.depth - 1))


def _is_plain(run: Any) -> bool:
    return run.network in ("mlp", "conv") and not run.normalization and not run.residual


def _is_plain_of(activations: tuple[str, ...], depth: int = 1) -> Callable[[Any], bool]:
    return lambda run: _is_plain(run) and run.activation in activations and run.depth >= depth


def _any(run: Any) -> bool:
    return True


# The activation of all hidden layers is sigmoid.
_add(
    "sigmoid",
    "vanishing",
    "VG101",
    _is_plain_of((*UNBOUNDED, "tanh", "softsign"), 6),
    _uniform(1, 1),
    at="hidden_1",
)
# The gain by which the kernels of all hidden layers are multiplied.
_add(
    "small_weights",
    "vanishing",
    "VG101",
    _is_plain_of((*UNBOUNDED, "tanh", "softsign"), 4),
    _gain(-9, -4),
    at="hidden_1",
)
_add(
    "large_weights",
    "exploding",
    "VG102 VG301",
    _is_plain_of(UNBOUNDED, 4),
    _gain(4, 8),
    at="hidden_1",
)
# The gain of the recurrent kernels.
_add(
    "large_recurrent_weights",
    "exploding",
    "VG102 VG301",
    lambda run: run.activation == "SimpleRNN",
    _log(0.5, 1),
    at="hidden_1",
)
# The bias of the units of one layer is minus this number.
_add(
    "dead_bias",
    "dead",
    "VG201",
    _is_plain_of(RECTIFIERS, 2),
    _uniform(8, 20),
    is_local=True,
    at="hidden_{}",
)
# All inputs are zero.
_add("zero_inputs", "dead", "VG201", _is_plain_of(RECTIFIERS), _uniform(1, 1), at="hidden_1")
# The fraction of examples of which one input or the target is NaN.
_add(
    "nan_inputs",
    "non-finite",
    "VG301",
    lambda run: run.network != "transformer",
    _log(-2, -0.7),
    at="data and loss",
)
_add(
    "nan_targets",
    "non-finite",
    "VG301",
    lambda run: run.data not in ("blobs", "digits", "bars", "digit_images"),
    _log(-2, -0.7),
    at="data and loss",
)
# A layer after one hidden layer takes the square root of its inputs minus this number.
_add(
    "nan_layer",
    "non-finite",
    "VG301",
    lambda run: run.network in ("mlp", "conv"),
    _uniform(0.1, 1),
    is_local=True,
    at="root",
)
# The factor of the learning rate.
_add("large_rate", "large rate", "VG102 VG301 VG402 VG201 VG202", _any, _log(1.5, 4))
_add("tiny_rate", "tiny rate", "VG401", _any, _log(-8, -5))
# The factor of the inputs.
_add(
    "unscaled_inputs",
    "saturated",
    "VG202",
    _is_plain_of(SATURATING),
    _uniform(50, 255),
    at="hidden_1",
)
# The gain of all kernels.
_add("saturating_weights", "saturated", "VG202 VG102", _is_plain_of(SATURATING), _uniform(10, 50))
# All weights of the hidden layers are this number divided by the width.
_add(
    "constant_weights",
    "alike",
    "VG502",
    lambda run: run.network in ("mlp", "conv") and not run.residual,
    _uniform(0.5, 2),
    at="hidden_1",
)
# No gradient passes from the output layer to the hidden ones.
_add(
    "disconnected",
    "disconnected",
    "VG501",
    lambda run: run.network in ("mlp", "conv", "rnn"),
    _uniform(1, 1),
    at="hidden_1",
)
# The factor of the L2 regularization of all kernels.
_add(
    "regularizer",
    "regularization",
    "VG103",
    lambda run: run.network in ("mlp", "conv"),
    _log(-0.5, 0.5),
)

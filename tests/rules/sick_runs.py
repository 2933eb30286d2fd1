"""Sick runs: each has one planted fault, and a healthy twin without it in `healthy_runs.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import healthy_runs as twins
import numpy as np
import small_tasks as tasks
from healthy_runs import deep
from keras.initializers import Constant, RandomNormal
from keras.optimizers import Adam, AdamW
from small_runs import Setup, SmallRun, classifier, momentum, perceptron

SICK: dict[str, SmallRun] = {}
"""The sick runs, by name."""


def sick(
    name: str, twin: str, *codes: str, besides: str = "", **how: Any
) -> Callable[[Callable[[], Setup]], Callable[[], Setup]]:
    """Adds the decorated function to `SICK`.

    Args:
        name: The name of the run.
        twin: The name of its twin.
        codes: The codes of which one must be diagnosed.
        besides: The codes that may be diagnosed too, separated by spaces.
        how: Further fields of `SmallRun`.
    """

    def add(make: Callable[[], Setup]) -> Callable[[], Setup]:
        SICK[name] = SmallRun(make, frozenset(codes), frozenset(besides.split()), twin=twin, **how)
        return make

    return add


# The signal vanishes or explodes

sick("sigmoid, 8 layers", "ReLU, 8 layers, SGD with momentum", "VG101", at="*/dense")(
    deep(8, "sigmoid", momentum)
)
sick("sigmoid, 8 layers, Adam", "ReLU, 8 layers", "VG101", at="*/dense")(deep(8, "sigmoid"))
sick("tanh, 10 layers, small weights", "tanh, 10 layers", "VG101", at="*/dense")(
    deep(10, "tanh", epochs=20, kernel_initializer=RandomNormal(stddev=0.02, seed=0))
)


@sick("linear, 10 layers, large weights", "linear, 10 layers", "VG102", at="*/dense")
def _large_weights() -> Setup:
    return twins.deep_linear(RandomNormal(stddev=1.0, seed=0))


@sick("SimpleRNN, large recurrent weights", "SimpleRNN", "VG102", at="*/simple_rnn*")
def _large_recurrent_weights() -> Setup:
    return twins.simple_rnn(RandomNormal(stddev=0.5, seed=0))


@sick(
    "L2 regularization, sigmoid, 6 layers",
    "L2 regularization, 6 layers",
    "VG103",
    "VG101",
    besides="VG402",
)
def _regularizer_alone() -> Setup:
    return twins.regularized(1e-3, "sigmoid", depth=6)


@sick(
    "L2 regularization a thousand times too strong",
    "L2 regularization, converged",
    "VG103",
    besides="VG101",
)
def _too_regularized() -> Setup:
    return twins.regularized(1.0)


def too_decayed() -> AdamW:
    """Returns an optimizer that shrinks each weight by 10 % per step."""
    return AdamW(0.003, weight_decay=33.0)


sick("weight decay that is too strong", "ReLU, 2 layers", "VG103", besides="VG101")(
    deep(2, "relu", too_decayed)
)


# Learning rates

sick("learning rate of 1e-9, Adam", "ReLU, 2 layers", "VG401")(deep(2, "relu", lambda: Adam(1e-9)))
sick("learning rate of 1e-9, SGD", "SGD with momentum", "VG401")(
    deep(2, "relu", lambda: momentum(1e-9))
)
sick("learning rate of 3, Adam", "ReLU, 2 layers", "VG402", besides="VG102 VG201")(
    deep(2, "relu", lambda: Adam(3.0))
)
sick("learning rate of 10, SGD", "SGD with momentum", "VG402", besides="VG102 VG201")(
    deep(2, "relu", lambda: momentum(10.0))
)


REGRESSION = "regression with standardized targets"


@sick("learning rate at which it diverges", REGRESSION, "VG102", "VG301")
def _divergence() -> Setup:
    return twins.regression(rate=5.0)


# NaN and infinity


def spoiled(targets: bool, example: int, value: float) -> Callable[[], Setup]:
    """Returns a function that makes the regression with a value that is not finite.

    Args:
        targets: Whether a target is replaced, not an input.
        example: The number of the example in which it is.
        value: NaN or infinity.
    """

    def make() -> Setup:
        setup = twins.regression()
        (setup.y if targets else setup.x)[example, 0] = value
        return setup

    return make


sick("NaN in the first batch of inputs", REGRESSION, "VG301", at="data*")(spoiled(False, 3, np.nan))
sick("NaN in a later input", REGRESSION, "VG301")(spoiled(False, 200, np.nan))
sick("NaN in the first batch of targets", REGRESSION, "VG301", at="data*")(spoiled(True, 3, np.nan))
sick("infinity in the first batch of targets", REGRESSION, "VG301", at="data*")(
    spoiled(True, 3, np.inf)
)


@sick("logarithm of zero in a custom loss", "custom loss", "VG301")
def _log_of_zero() -> Setup:
    return twins.with_loss(0.0)


@sick("root of negative values", "custom layer with a square root", "VG301", at="*/root")
def _root_of_negative() -> Setup:
    return twins.with_root(0.9)


# Units that get no gradient, or all the same

sick(
    "ReLU units turned off by their bias", "ReLU, 2 layers", "VG201", besides="VG401", at="*/dense"
)(deep(2, "relu", bias_initializer=Constant(-10.0)))


@sick(
    "ReLU units turned off by a huge step",
    "regression with targets about 20",
    "VG201",
    besides="VG402",
)
def _huge_step() -> Setup:
    return twins.with_step(20, rate=2.0)


@sick("tanh, inputs from 0 to 255", "tanh, 3 layers", "VG202", at="*/dense")
def _unscaled_inputs() -> Setup:
    return Setup(classifier(perceptron(3, activation="tanh"), Adam(0.01)), *tasks.grayscale())


sick("tanh, weights of standard deviation 10", "tanh, 3 layers", "VG202", at="*/dense")(
    deep(3, "tanh", lambda: Adam(0.01), kernel_initializer=RandomNormal(stddev=10.0, seed=0))
)
sick("equal weights", "ReLU, 2 layers", "VG502", at="*/dense")(
    deep(2, "relu", kernel_initializer=Constant(0.1))
)
sick("weights of zero", "ReLU, 2 layers", "VG502", besides="VG201 VG401", at="*/dense")(
    deep(2, "relu", kernel_initializer="zeros")
)


@sick("branch that is not used", "two branches", "VG501", at="side/kernel", worse=None)
def _unused_branch() -> Setup:
    return twins.branched(is_connected=False)


@sick("stop_gradient after the first layer", "two branches", "VG501", at="*/kernel")
def _stopped() -> Setup:
    return twins.branched(is_connected=False, learns=False)

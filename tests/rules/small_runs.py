"""Training runs of a few seconds on which the rules are tested.

`healthy_runs.py` and `sick_runs.py` are the catalogue. A sick run has a healthy twin: the same data
and the same number of steps without the fault. Whether a run is sick is decided by what it has
learned in comparison with its twin, never by a rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers
from small_models import compiled, fit, reset_keras
from small_tasks import FEATURES

from vg_keras import GradientMonitor
from vg_keras.record import Training


@dataclass(frozen=True)
class Setup:
    """What is trained, and how.

    Args:
        model: The compiled model.
        x: Its inputs.
        y: Its targets.
        epochs: Number of epochs.
        every: Number of steps from one record to the next.
        batch_size: Number of examples in a batch.
        fits: Number of calls of `fit`.
        outcome: The metric that tells how much was learned; lower is better.
    """

    model: keras.Model
    x: Any
    y: Any
    epochs: int = 12
    every: int = 5
    batch_size: int = 32
    fits: int = 1
    outcome: str = "loss"


@dataclass(frozen=True)
class SmallRun:
    """A run of the catalogue.

    Args:
        make: Returns its setup.
        codes: The codes of which at least one must be diagnosed; empty for a healthy run.
        besides: Codes of what follows from the same fault, which may be diagnosed too.
        at: A shell pattern of the path that the diagnosis must name first.
        twin: The name of the healthy twin.
        worse: Factor by which the twin's outcome is better at least. None for a fault that does
            not change the outcome.
    """

    make: Callable[[], Setup]
    codes: frozenset[str] = frozenset()
    besides: frozenset[str] = frozenset()
    at: str = "*"
    twin: str = ""
    worse: float | None = 2.0


@dataclass(frozen=True)
class Result:
    """What became of a run.

    Args:
        training: The records of the last `fit`.
        outcome: The outcome of its last epoch. Infinite instead of NaN.
    """

    training: Training
    outcome: float


def train(run: SmallRun, log_dir: str | None = None) -> Result:
    """Trains a run of the catalogue with a monitor."""
    reset_keras()
    setup = run.make()
    monitor = GradientMonitor(log_dir, setup.every, on_problem=None)
    for _ in range(setup.fits):
        settings = {"epochs": setup.epochs, "batch_size": setup.batch_size}
        history = fit(setup.model, setup.x, setup.y, [monitor], **settings)
    outcome = history.history[setup.outcome][-1]
    return Result(monitor.run.latest, outcome if math.isfinite(outcome) else math.inf)


def perceptron(
    depth: int = 2, units: int = 24, activation: str = "relu", last: str | None = None, **how: Any
) -> keras.Sequential:
    """Returns an MLP of `FEATURES` inputs and one output; He's initializer for ReLU."""
    if activation == "relu":
        how = {"kernel_initializer": "he_normal", **how}
    hidden = [layers.Dense(units, activation, **how) for _ in range(depth)]
    return keras.Sequential([keras.Input([FEATURES]), *hidden, layers.Dense(1, last)])


def classifier(model: keras.Model, optimizer: Any = None, **how: Any) -> keras.Model:
    """Compiles a model whose output are the logits of a binary classification."""
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return compiled(model, optimizer or keras.optimizers.Adam(0.003), **{"loss": loss, **how})


def momentum(rate: float = 0.05) -> keras.optimizers.Optimizer:
    """SGD with momentum."""
    return keras.optimizers.SGD(rate, momentum=0.9)

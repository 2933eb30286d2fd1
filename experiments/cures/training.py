"""Trains the network that settings describe, and measures what it has learned."""

import math
from dataclasses import asdict
from typing import Any

import keras
import numpy as np

from experiments.common import mlp
from experiments.common.sweep import Work
from experiments.cures.networks import build
from experiments.cures.settings import Settings
from experiments.cures.tasks import clean_examples, examples
from vg_keras import GradientMonitor
from vg_keras.rules import diagnose

BATCH_SIZE = 32
_REPEATS = 12
"""Number of times that each example occurs in an epoch: an epoch costs time."""

_EVERY = 5
"""Number of steps from one record to the next."""


def train(run: tuple[Settings, int, bool], work: Work) -> dict[str, Any]:
    """Trains a network.

    Args:
        run: Its settings, the number of epochs, and whether it is diagnosed.
        work: Not used.

    Returns:
        `outcome` and, if it is diagnosed, `diagnoses`: the code and the advice of each.
    """
    settings, epochs, is_diagnosed = run
    model, training = trained(settings, epochs, is_diagnosed)
    found = [] if training is None else diagnose(training)
    return {
        "outcome": outcome(model, settings),
        "diagnoses": [{k: asdict(one)[k] for k in ("code", "advice")} for one in found],
    }


def trained(settings: Settings, epochs: int, is_diagnosed: bool) -> tuple[keras.Model, Any]:
    """Returns the trained network and what a monitor recorded, or None without a monitor."""
    mlp.begin(settings.seed)
    model = build(settings)
    x, y = (np.repeat(array, _REPEATS, 0) for array in examples(settings))
    monitor = GradientMonitor(None, _EVERY, on_problem=None) if is_diagnosed else None
    callbacks = [] if monitor is None else [monitor]
    model.fit(x, y, BATCH_SIZE, epochs, callbacks=callbacks, verbose=0)
    return model, None if monitor is None else monitor.run.latest


def outcome(model: keras.Model, settings: Settings) -> float:
    """Returns the loss on the training examples, without regularizer; lower is better.

    For classes it is the cross-entropy in nats, for numbers the mean squared error relative to the
    variance of the targets. Infinite if a prediction is not finite. BatchNormalization normalizes
    with all examples, because its moving averages need more steps than these runs have.
    """
    x, y = clean_examples(settings)
    predicted = np.asarray(model(x, training=True), np.float64)
    if not np.all(np.isfinite(predicted)):
        return math.inf
    if settings.is_classification:
        if settings.epsilon is not None:
            predicted = np.clip(predicted, 1e-7, 1 - 1e-7)
            predicted = np.log(predicted / (1 - predicted))
        loss = np.mean(np.logaddexp(0.0, predicted) - y * predicted)
    else:
        loss = np.mean((predicted - y) ** 2) / np.var(y)
    return float(loss)

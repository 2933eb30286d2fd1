"""Trains a run under a `GradientMonitor`, and applies our rules and the published ones."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from experiments.common.sweep import Work
from experiments.diagnosis_record import datasets, networks
from experiments.diagnosis_record.datasets import REGRESSION, SEVERAL_CLASSES, Array
from experiments.diagnosis_record.generator import Run
from experiments.diagnosis_record.published import PUBLISHED
from vg_keras import GradientMonitor, Training
from vg_keras.rules import diagnose

_EVERY = 5
"""Steps from one record to the next."""

_FEW_EXAMPLES = 64
"""Number of examples of a run that is trained until it has converged."""


@dataclass(frozen=True)
class Trained:
    """What became of a run.

    Args:
        training: Its records.
        learned: The fraction by which it has lowered the loss of the best constant answer, from 1
            for a loss of zero to minus infinity; minus infinity also if it is not finite. Measured
            on the training examples, without penalties and before they were spoiled.
    """

    training: Training
    learned: float


def train(run: Run, num_steps: int, log_dir: str | None = None) -> Trained:
    """Trains a run.

    Args:
        run: The run.
        num_steps: Number of steps.
        log_dir: Directory of its log; None writes none.
    """
    x, y = _examples(run)
    seen_x, seen_y = _spoiled(run, x, y)
    model = networks.build(run, x)
    monitor = GradientMonitor(log_dir, _EVERY, on_problem=None)
    index = _order(run, num_steps, len(x))
    model.fit(
        seen_x[index],
        seen_y[index],
        batch_size=run.batch_size,
        shuffle=False,
        callbacks=[monitor],
        verbose=0,
    )
    given = x if run.fault not in ("unscaled_inputs", "zero_inputs") else seen_x
    answers = np.asarray(model(given, training=False), np.float64)
    return Trained(monitor.run.latest, learned(run.data, y, answers))


def carry_out(task: tuple[Run, int], work: Work) -> dict[str, Any]:
    """Trains a run, and returns what it has learned and what the rules say."""
    run, num_steps = task
    return judged(run, train(run, num_steps))


def judged(run: Run, trained: Trained) -> dict[str, Any]:
    """Returns the settings of a run, what it has learned, and every diagnosis."""
    return {
        "run": asdict(run),
        "learned": trained.learned,
        "ours": [
            {"code": d.code, "first_step": d.first_step, "paths": list(d.paths)}
            for d in diagnose(trained.training)
        ],
        "published": {
            system: {
                rule.kind: step
                for rule in rules
                if (step := rule.first_step(trained.training)) is not None
            }
            for system, rules in PUBLISHED.items()
        },
    }


def _examples(run: Run) -> tuple[Array, Array]:
    x, y = datasets.make(run.data, run.number)
    if run.lookalike == "imbalanced" and run.data not in REGRESSION:
        x, y = datasets.imbalanced(x, y)
    if run.lookalike == "converged":
        x, y = x[:_FEW_EXAMPLES], y[:_FEW_EXAMPLES]
    return x.astype(np.int32 if run.network == "transformer" else np.float32), y


def _spoiled(run: Run, x: Array, y: Array) -> tuple[Array, Array]:
    """Returns the examples as the network gets them, with a fault of the data."""
    x, y = x.copy(), y.copy()
    if run.fault == "unscaled_inputs":
        x = x * np.float32(run.strength)
    elif run.fault == "zero_inputs":
        x = np.zeros_like(x)
    elif run.fault in ("nan_inputs", "nan_targets"):
        spoiled = x if run.fault == "nan_inputs" else y
        generator = np.random.default_rng([run.number, 3])
        num = max(1, round(run.strength * len(x)))
        for example in generator.choice(len(x), num, replace=False):
            spoiled[example].flat[generator.integers(spoiled[example].size)] = np.nan
    return x, y


def _order(run: Run, num_steps: int, num_examples: int) -> Array:
    """Returns the numbers of the examples in the order in which they are seen."""
    generator, needed = np.random.default_rng([run.number, 4]), num_steps * run.batch_size
    passes = [generator.permutation(num_examples) for _ in range(-(-needed // num_examples))]
    return np.concatenate(passes)[:needed]


def learned(data: str, y: Array, answers: Array) -> float:
    """Returns the fraction by which answers lower the loss of the best constant answer.

    Args:
        data: The name of the data set.
        y: The targets.
        answers: float64 `[n, outputs]`: logits, or predictions of a regression.
    """
    if not np.all(np.isfinite(answers)):
        return -math.inf
    if data in REGRESSION:
        return float(1 - np.mean((y - answers) ** 2) / np.var(y))
    if data in SEVERAL_CLASSES:
        labels = y
    else:
        labels, answers = y.ravel().astype(int), np.hstack([np.zeros_like(answers), answers])
    top = answers.max(1, keepdims=True)
    log_sums = top + np.log(np.exp(answers - top).sum(1, keepdims=True))
    loss = np.mean((log_sums - answers)[np.arange(len(labels)), labels])
    frequencies = np.bincount(labels) / len(labels)
    entropy = -np.sum(frequencies * np.log(np.maximum(frequencies, 1e-300)))
    return float(1 - loss / entropy)

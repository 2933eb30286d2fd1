"""Can the initial weights alone make a network untrainable?

Starts the same deep network from weights with variances from too small to too large, and from
zeros, constants and orthogonal matrices, with sigmoid, tanh and ReLU. GradientMonitor records the
factor by which the backpropagated signal changes from layer to layer; theory predicts where it
neither vanishes nor explodes.
"""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.common import command_line, options
from experiments.common.factors import factor_per_layer
from experiments.common.outcome import Check, Outcome
from experiments.common.style import LABELS

if TYPE_CHECKING:
    from experiments.common.mlp import Initializer, Settings
    from experiments.common.session import Session
    from experiments.common.sweep import Work

ACTIVATIONS = ("sigmoid", "tanh", "relu")
SMALL = [
    *("--depth=3", "--width=8", "--epochs=1", "--batch-size=20", "--limit=100"),
    *("--variances", "0.1", "2"),
]
NAMED: dict[str, Initializer] = {
    "zeros": "zeros",
    "constant 0.05": {"class_name": "Constant", "config": {"value": 0.05}},
    "orthogonal": "orthogonal",
    "Glorot uniform": "glorot_uniform",
    "He normal": "he_normal",
    "N(0, 0.2²)": {"class_name": "RandomNormal", "config": {"stddev": 0.2}},
}
FADING = 100
"""Change over all hidden layers from which a signal counts as vanishing or exploding."""


def add_options(parser: ArgumentParser) -> None:
    """Adds the options of this experiment."""
    parser.add_argument(
        "--variances",
        type=options.positive_float,
        nargs="+",
        default=[0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 16.0, 100.0, 400.0],
        help="variances of a weight times the number of inputs",
    )
    options.add_training(parser, initializer=None, epochs=1)


def run(session: Session) -> Outcome:
    """Trains from every initialization and compares with theory's prediction."""
    from experiments.common import mlp
    from experiments.figures.initialization import draw

    first = mlp.settings(session.chosen, session.digits)
    initializers: dict[Any, Initializer] = {
        variance: normal(variance) for variance in sorted(set(session.chosen.variances))
    } | NAMED
    runs = [
        (activation, replace(first, initializer=initializer))
        for activation in ACTIVATIONS
        for initializer in initializers.values()
    ]
    results = iter(session.sweep(train, runs))
    found = {
        activation: {name: next(results) for name in initializers} for activation in ACTIVATIONS
    }
    training = first.training.replace("glorot_uniform, ", "")
    return Outcome(
        _answer(found),
        {session.name: draw(found, f"{session.digits.name}; {first.depth} layers of {training}")},
        _checks(found, first),
        found,
        asdict(first) | {"initializer": list(initializers)},
    )


def normal(variance: float) -> Initializer:
    """Returns the initializer that draws from N(0, variance / inputs)."""
    config = {"scale": variance, "mode": "fan_in", "distribution": "untruncated_normal"}
    return {"class_name": "VarianceScaling", "config": config}


def train(run: tuple[str, Settings], work: Work) -> dict[str, Any]:
    """Returns measurements of the first step, and the outcome of training."""
    from experiments.common import mlp
    from vg_keras.quantities import rms_to_plot

    activation, settings = run
    model = mlp.build(activation, settings)
    trained = mlp.train(model, settings, work, num_records=1, updates=False)
    record = trained.records[0]
    second = record.gradients[trained.kernels[1]]
    signal = [
        rms_to_plot(record.activation_gradients[f"hidden_{i + 1}"]) for i in range(settings.depth)
    ]
    return {
        "signal": signal,
        "factor": factor_per_layer(signal),
        "state": state(signal, trained.history["loss"][-1]),
        "all_units_alike": second.min == second.max,
        "accuracy": trained.test_accuracy,
    }


def state(signal: list[float], loss: float) -> str:
    """Describes in one word the training run with this signal at the first step."""
    if not all(map(math.isfinite, [*signal, loss])):
        return "NaN"
    if not signal[0] > 0:
        return "no gradient"
    change = signal[0] / signal[-1]
    if change < 1 / FADING:
        return "vanishing"
    return "exploding" if change > FADING else "healthy"


def _answer(found: Mapping[str, Mapping[Any, Any]]) -> str:
    parts = []
    for activation, results in found.items():
        learning = [v for v, r in results.items() if isinstance(v, float) and r["accuracy"] > 0.5]
        which = ", ".join(f"{variance:g}" for variance in learning) or "none"
        parts.append(f"{LABELS[activation]} {which}")
    everything = [r for results in found.values() for r in results.values()]
    broken = sum(r["state"] == "NaN" for r in everything)
    stuck = sum(r["state"] != "NaN" and r["accuracy"] < 0.2 for r in everything)
    # If none learns, the cause may be something other than the weights.
    is_shown = broken + stuck > 0 and any(r["accuracy"] > 0.5 for r in everything)
    return (
        f"{'Yes' if is_shown else 'Not shown here'}: of {len(everything)} trainings {broken} ended "
        f"in NaN and {stuck} stayed below 20 %. Weights of these variances times the number of "
        f"inputs brought the network beyond 50 % within this budget: {'; '.join(parts)}."
    )


def _checks(found: Mapping[str, Mapping[Any, Any]], settings: Settings) -> list[Check]:
    relu = found["relu"]
    explodes = Check(
        "ReLU from N(0, 0.2²): the training ends in NaN (1 is yes)",
        "claim 7: initialisation can make gradients explode",
        "NaN",
        float(relu["N(0, 0.2²)"]["state"] == "NaN"),
        1,
        1,
        ".0f",
    )
    checks = [
        *([explodes] if (settings.depth, settings.width) == (8, 128) else []),
        Check(
            "zeros: signal at the first layer, with all three activations",
            "arithmetic",
            "0",
            float(np.max([results["zeros"]["signal"][0] for results in found.values()])),
            0,
            0,
            ".0f",
        ),
        Check(
            "constant: activations of three with which all units get one and the same gradient",
            "symmetry",
            "3",
            sum(results["constant 0.05"]["all_units_alike"] for results in found.values()),
            3,
            3,
            ".0f",
        ),
    ]
    for activation, results in found.items():
        checks += [_factor_check(activation, name, results, settings) for name in NAMED_RANDOM]
        checks.append(_worst_check(activation, results, settings))
    return checks


NAMED_RANDOM = ("orthogonal", "Glorot uniform", "He normal")


def _factor_check(
    activation: str, name: str, results: Mapping[Any, Any], settings: Settings
) -> Check:
    from experiments.common import mlp

    expected = mlp.predicted_factor(activation, replace(settings, initializer=NAMED[name]))
    return Check.near(
        f"{LABELS[activation]}, {name}: factor per layer of the signal",
        "He et al. 2015; mean-field theory" if activation == "relu" else "mean-field theory",
        expected,
        results[name]["factor"],
    )


def _worst_check(activation: str, results: Mapping[Any, Any], settings: Settings) -> Check:
    """Returns the check of the measured factor that deviates most from theory."""
    from vg_keras.theory import mean_field

    ratios = [
        abs(results[v]["factor"] / mean_field(activation, v).factor_per_layer - 1)
        for v in results
        if isinstance(v, float)
    ]
    return Check(
        f"{LABELS[activation]}, N(0, s/inputs): largest deviation from theory's factor, %",
        "mean-field theory",
        "0",
        100 * float(np.max(ratios)),
        0,
        10,
        ".0f",
    )


if __name__ == "__main__":
    sys.exit(command_line.main("initialization"))

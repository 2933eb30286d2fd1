"""How much worse does a network get the deeper it is?

Trains networks of 1 to 50 hidden layers with sigmoid, tanh and ReLU. GradientMonitor records the
gradient of the first layer at the first step. Mean-field theory predicts, from the activation and
the initializer alone, the factor by which it changes with each additional layer.
"""

from __future__ import annotations

import itertools
import sys
from argparse import ArgumentParser
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from experiments.common import command_line, options
from experiments.common.factors import fitted_factor
from experiments.common.outcome import Check, Outcome, counted
from experiments.common.style import LABELS

if TYPE_CHECKING:
    from experiments.common.mlp import Settings
    from experiments.common.session import Session
    from experiments.common.sweep import Work

ACTIVATIONS = ("sigmoid", "tanh", "relu")
LEARNS = 0.5
"""The accuracy above which a network counts as one that learns."""

SMALL = ["--depths", "1", "3", "4", "--width=8", "--epochs=1", "--batch-size=20", "--limit=100"]


def add_options(parser: ArgumentParser) -> None:
    """Adds the options of this experiment."""
    parser.add_argument(
        "--depths",
        type=options.positive,
        nargs="+",
        default=[1, 2, 3, 5, 8, 12, 20, 30, 50],
        help="numbers of hidden layers",
    )
    options.add_training(parser, depth=None, epochs=1)


def run(session: Session) -> Outcome:
    """Trains a network of each depth with each activation, and compares with theory."""
    from experiments.common import mlp
    from experiments.figures.depth import draw

    depths = sorted(set(session.chosen.depths))
    settings = mlp.settings(session.chosen, session.digits)
    # The deepest first: they take longest, so no process has to wait for them at the end.
    runs = [(name, replace(settings, depth=d)) for d in reversed(depths) for name in ACTIVATIONS]
    found = dict(zip(runs, session.sweep(train, runs), strict=True))
    results: dict[str, dict[str, Any]] = {
        name: {
            "theory": mlp.predicted_factor(name, settings),
            "gradient": [found[name, replace(settings, depth=d)][0] for d in depths],
            "accuracy": [found[name, replace(settings, depth=d)][1] for d in depths],
        }
        for name in ACTIVATIONS
    }
    for result in results.values():
        result["factor"] = fitted_factor(depths, result["gradient"])
    answer = "Each hidden layer more changes the gradient of the first by a factor of " + "; ".join(
        f"{results[name]['factor']:.3f} with {LABELS[name]} (theory {results[name]['theory']:.3f})"
        for name in ACTIVATIONS
    )
    return Outcome(
        f"{answer}. {_deepest(depths, results)}",
        {session.name: draw(depths, results, f"{session.digits.name}; {settings.training}")},
        _checks(depths, results),
        {"depths": depths, **results},
        asdict(settings) | {"depth": depths},
    )


def train(run: tuple[str, Settings], work: Work) -> tuple[float, float]:
    """Returns the gradient norm of the first layer at the first step, and the test accuracy."""
    from experiments.common import mlp
    from vg_keras.quantities import norm_to_plot

    activation, settings = run
    model = mlp.build(activation, settings)
    trained = mlp.train(model, settings, work, num_records=1, activations=False, updates=False)
    return norm_to_plot(trained.records[0].gradients[trained.kernels[0]]), trained.test_accuracy


def _deepest(depths: list[int], results: dict[str, Any]) -> str:
    """Describes up to which depth each network learns."""
    parts = []
    for name, result in results.items():
        learning = [d for d, a in zip(depths, result["accuracy"], strict=True) if a > LEARNS]
        until = f"up to {max(learning)} hidden layers" if learning else "at no depth"
        parts.append(f"{until} with {LABELS[name]}")
    return f"Within this budget the network gets beyond {LEARNS:.0%} {', '.join(parts)}."


def _checks(depths: list[int], results: dict[str, Any]) -> list[Check]:
    sigmoid = results["sigmoid"]["gradient"]
    checks = []
    if len(depths) > 1:
        growing = [b >= a for a, b in itertools.pairwise(sigmoid)]
        what = "sigmoid: steps to a deeper network at which the gradient of the first layer grows"
        claim = "claim 2: the deeper, the worse"
        checks.append(Check(what, claim, "0", counted(growing, sigmoid), 0, 0, ".0f"))
    for name, result in results.items():
        what = f"{LABELS[name]}: factor by which a layer more changes the first layer's gradient"
        source = "mean-field theory, sqrt(chi)"
        checks.append(Check.near(what, source, result["theory"], result["factor"]))
    return checks


if __name__ == "__main__":
    sys.exit(command_line.main("depth"))

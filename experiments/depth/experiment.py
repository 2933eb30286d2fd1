"""Trains networks of each depth with each activation."""

from dataclasses import asdict, replace

import numpy as np

from experiments.common import mlp
from experiments.common.factors import fitted_factor
from experiments.common.outcome import Outcome, Results
from experiments.common.session import Session
from experiments.common.style import LABELS
from experiments.common.sweep import Work
from experiments.depth.expected import checks, theory
from experiments.depth.figure import draw

ACTIVATIONS = ("sigmoid", "tanh", "relu")
LEARNS = 0.5
"""Test accuracy above which a network counts as one that learns."""


def run(session: Session) -> Outcome:
    """Trains a network of each depth with each activation, and compares with theory."""
    depths = sorted(set(session.options.depths))
    settings, images = mlp.settings(session.options, session.digits), session.digits.x_train
    # The deepest first: they take longest, so no process has to wait for them at the end.
    runs = [(name, replace(settings, depth=d)) for d in reversed(depths) for name in ACTIVATIONS]
    found = dict(zip(runs, session.sweep(train, runs), strict=True))
    results: Results = {}
    for name in ACTIVATIONS:
        of_depths = [found[name, replace(settings, depth=d)] for d in depths]
        gradients, accuracies = (list(values) for values in zip(*of_depths, strict=True))
        in_theory = theory(name, settings, depths, images.shape[1], float(np.mean(images**2)))
        results[name] = {
            "theory_gradient": in_theory,
            "theory_factor": fitted_factor(depths, in_theory),
            "gradient": gradients,
            "accuracy": accuracies,
            "factor": fitted_factor(depths, gradients),
        }
    numbers, chosen = {"depths": depths, **results}, asdict(settings) | {"depth": depths}
    figure = draw(depths, results, f"{session.digits.name}; {settings.training}")
    compared, parts = [*checks(depths, results)], findings(depths, results)
    return Outcome(ANSWER, compared, numbers, chosen, figure, parts)


def train(run: tuple[str, mlp.Settings], work: Work) -> tuple[float, float]:
    """Returns the gradient norm of the first layer at the first step, and the test accuracy."""
    activation, settings = run
    model = mlp.build(activation, settings)
    trained = mlp.train(model, settings, work, num_records=1, activations=False, updates=False)
    return trained.records[0].gradients[trained.kernels[0]].norm, trained.test_accuracy


ANSWER = f"""\
With each additional hidden layer, the first layer's gradient is multiplied by \
{{factor of the first layer's gradient}}. Within this budget, test accuracy exceeds {LEARNS:.0%} \
{{test accuracy above {LEARNS:.0%}}}. Each network was trained once, all from one seed."""


def findings(depths: list[int], results: Results) -> dict[str, str]:
    """Returns the parts of the answer, by name."""
    factors, learning = [], []
    for name, result in results.items():
        factor, theory = result["factor"], result["theory_factor"]
        factors.append(f"{factor:.3f} with {LABELS[name]} (theory {theory:.3f})")
        learned = [d for d, a in zip(depths, result["accuracy"], strict=True) if a > LEARNS]
        reached = f"up to {max(learned)} hidden layers" if learned else "at no depth"
        learning.append(f"{reached} with {LABELS[name]}")
    return {
        "factor of the first layer's gradient": ", ".join(factors),
        f"test accuracy above {LEARNS:.0%}": ", ".join(learning),
    }

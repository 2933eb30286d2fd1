"""Trains the same network from each initialization with each activation."""

import math
from dataclasses import asdict, replace
from typing import Any

from experiments.common import mlp
from experiments.common.factors import factor_per_layer
from experiments.common.outcome import Outcome, Results
from experiments.common.session import Session
from experiments.common.style import LABELS
from experiments.common.sweep import Work
from experiments.initialization import FADING
from experiments.initialization.expected import NAMED, checks
from experiments.initialization.figure import draw

ACTIVATIONS = ("sigmoid", "tanh", "relu")


def run(session: Session) -> Outcome:
    """Trains from every initialization, and compares with theory."""
    settings = mlp.settings(session.options, session.digits)
    variances = sorted(set(session.options.variances))
    starts: dict[Any, mlp.Initializer] = {v: mlp.scaled(v) for v in variances} | NAMED
    networks = [replace(settings, initializer=start) for start in starts.values()]
    runs = [(activation, network) for activation in ACTIVATIONS for network in networks]
    found = iter(session.sweep(train, runs))
    results = {activation: {s: next(found) for s in starts} for activation in ACTIVATIONS}
    title = f"{session.digits.name}; {settings}".replace(f"{settings.initializer}, ", "")
    compared = [*checks(variances, results, (settings.depth, settings.width))]
    chosen = asdict(settings) | {"initializer": list(starts)}
    figure, parts = draw(variances, results, title), findings(variances, results)
    return Outcome(ANSWER, compared, results, chosen, figure, parts)


def train(run: tuple[str, mlp.Settings], work: Work) -> dict[str, Any]:
    """Returns measurements of the first step, and the outcome of training."""
    activation, settings = run
    model = mlp.build(activation, settings)
    trained = mlp.train(model, settings, work, num_records=1, updates=False)
    record = trained.records[0]
    signal = [record.activation_gradients[f"hidden_{i + 1}"].rms for i in range(settings.depth)]
    second = record.gradients[trained.kernels[1]]
    return {
        "signal": signal,
        "factor": factor_per_layer(signal),
        "state": state(signal, trained.history["loss"][-1]),
        "all_units_alike": second.min == second.max,
        "accuracy": trained.test_accuracy,
    }


def state(signal: list[float], loss: float) -> str:
    """Describes a training run by its signal at the first step and its final loss."""
    if not all(map(math.isfinite, [*signal, loss])):
        return "NaN"
    if not signal[0] > 0:
        return "no gradient"
    change = signal[0] / signal[-1]
    if change < 1 / FADING:
        return "vanishing"
    return "exploding" if change > FADING else "healthy"


ANSWER = """\
{weights alone make it untrainable}: of {training runs} training runs, {runs that ended in NaN} \
ended in NaN and {runs below 20%} stayed below 20% test accuracy. Accuracy exceeds 50% within this \
budget for these variances of a weight times the number of inputs: {variances above 50%}."""


def findings(variances: list[float], results: Results) -> dict[str, str]:
    """Returns the parts of the answer, by name."""
    parts = []
    for activation, of in results.items():
        learning = [f"{v:g}" for v in variances if of[v]["accuracy"] > 0.5]
        parts.append(f"{LABELS[activation]} {', '.join(learning) or 'none'}")
    everything = [result for of in results.values() for result in of.values()]
    broken = sum(r["state"] == "NaN" for r in everything)
    stuck = sum(r["state"] != "NaN" and r["accuracy"] < 0.2 for r in everything)
    # If no network learns, the cause may be something other than the weights.
    is_shown = broken + stuck > 0 and any(r["accuracy"] > 0.5 for r in everything)
    return {
        "weights alone make it untrainable": "Yes" if is_shown else "Not shown here",
        "training runs": str(len(everything)),
        "runs that ended in NaN": str(broken),
        "runs below 20%": str(stuck),
        "variances above 50%": "; ".join(parts),
    }

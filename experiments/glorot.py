"""Do weight gradients that are level prove that the signal reaches the front layers?

Glorot and Bengio's experiment of 2010 on the first step of deep tanh networks: under the standard
initialization of their time the weight gradients are as large in the first layers as in the last,
and yet the backpropagated signal shrinks by sqrt(1/3) at each layer. Only the activation gradients
show it. GradientMonitor records both. Inputs are Gaussian and labels random: no data set is needed.

Records do not contain the singular values of a layer's Jacobian, d(output)/d(input). They are
computed here in NumPy from the weights and the batch, and their root mean square must be the factor
by which the recorded signal changes at that layer.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.common import command_line, options
from experiments.common.factors import factor_per_layer
from experiments.common.outcome import Check, Outcome

if TYPE_CHECKING:
    from experiments.common.mlp import Initializer
    from experiments.common.session import Session
    from experiments.common.sweep import Work

INITIALIZERS: dict[str, Initializer] = {
    # Uniform between -1/sqrt(n) and 1/sqrt(n) for n inputs.
    "standard": {
        "class_name": "VarianceScaling",
        "config": {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"},
    },
    "normalised": "glorot_uniform",
}
VARIANCE = {"standard": 1 / 3, "normalised": 1.0}
"""The variance of a weight times the number of inputs, which the paper calls n Var[W]."""

EXAMPLES = 2
"""Number of examples per batch for which Jacobians are computed."""

EDGES = np.linspace(0, 2, 101)
AS_PUBLISHED = (10, 512)
"""Depth and width for which the factors were computed earlier."""

SMALL = ["--depth=4", "--width=16", "--draws=2"]
PAPER = "Glorot and Bengio 2010"

Results = dict[str, dict[str, Any]]


def add_options(parser: ArgumentParser) -> None:
    """Adds the options of this experiment."""
    add = parser.add_argument
    add("--depth", type=options.at_least_two, default=10, help="number of hidden layers")
    add("--width", type=options.positive, default=512, help="units in each of them, and inputs")
    add("--draws", type=options.positive, default=10, help="networks drawn of each kind")
    add("--seed", type=options.natural, default=0, help="seed of weights, inputs and labels")


def run(session: Session) -> Outcome:
    """Draws networks of both kinds and compares their backpropagated signals."""
    from experiments.figures.glorot import draw

    chosen = session.chosen
    runs = [(kind, chosen.depth, chosen.width, chosen.draws, chosen.seed) for kind in INITIALIZERS]
    found = session.sweep(measure, runs)
    results = {
        kind: {**one, **theory(VARIANCE[kind], chosen.depth), **_means(one)}
        for kind, one in zip(INITIALIZERS, found, strict=True)
    }
    standard, normalised = results["standard"], results["normalised"]
    is_level, shrinks = 0.95 < standard["weight_factor"] < 1.05, standard["signal_factor"] < 0.95
    answer = (
        f"{'No' if is_level and shrinks else 'Not shown here'}. Under the standard initialisation "
        f"the weight gradients change by a factor of {standard['weight_factor']:.3f} a layer and "
        f"the backpropagated signal by {standard['signal_factor']:.3f}; under the "
        f"normalised one the factors are {normalised['weight_factor']:.3f} and "
        f"{normalised['signal_factor']:.3f}, where theory says "
        f"{factor_per_layer(normalised['theory_signal']):.3f} for this depth and 1 for one without "
        f"end. The mean singular value of a layer's Jacobian is {standard['singular_value']:.2f} "
        f"and {normalised['singular_value']:.2f}."
    )
    title = (
        f"{chosen.depth} tanh layers of {chosen.width}, first step, Gaussian inputs, random labels"
    )
    return Outcome(
        answer,
        {session.name: draw(results, f"{title}; mean and range of {chosen.draws} draws")},
        _checks(results, (chosen.depth, chosen.width) == AS_PUBLISHED),
        results,
        {"depth": chosen.depth, "width": chosen.width, "draws": chosen.draws, "seed": chosen.seed},
    )


def measure(run: tuple[str, int, int, int, int], work: Work) -> dict[str, Any]:
    """Returns signal, weight gradients and singular values of several draws of a kind of network.

    Returns:
        Lists by name, `[draws, depth]`; for the singular values, `[draws, depth - 1]`, from the
        first hidden layer to the last; and how many of them are between each pair of `EDGES`.
    """
    from experiments.common import mlp
    from experiments.common.first_steps import FirstSteps

    kind, depth, width, draws, seed = run
    steps = FirstSteps(seed)
    found: dict[str, Any] = {
        "signal": [],
        "weight_gradients": [],
        "mean_singular_value": [],
        "rms_singular_value": [],
    }
    counts = np.zeros(len(EDGES) - 1, int)
    for _ in range(draws):
        step = steps.of(mlp.network("tanh", depth, width, INITIALIZERS[kind], inputs=width))
        values = np.array([singular_values(step.weights, x) for x in step.x[:EXAMPLES]])
        found["signal"].append(step.signal)
        found["weight_gradients"].append(step.weight_gradients)
        found["mean_singular_value"].append(values.mean(axis=(0, 2)).tolist())
        found["rms_singular_value"].append(np.sqrt((values**2).mean(axis=(0, 2))).tolist())
        counts += np.histogram(values, EDGES)[0]
        work.reports.put(1 / draws)
    return found | {"counts": counts.tolist()}


def singular_values(
    weights: list[NDArray[np.float32]], x: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Returns the singular values of d(output of a hidden layer)/d(output of the one before).

    Args:
        weights: Kernel and biases of each layer; the last layer is the output.
        x: `[inputs]`, one example.

    Returns:
        float64 `[depth - 1, width]`: from the second hidden layer to the last.
    """
    jacobians = []
    values = x.astype(np.float64)
    for kernel, biases in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        values = np.tanh(values @ kernel + biases)
        jacobians.append((1 - values**2)[:, np.newaxis] * kernel.T.astype(np.float64))
    return np.array([np.linalg.svd(j, compute_uv=False) for j in jacobians[1:]])


def theory(variance: float, depth: int) -> dict[str, Any]:
    """Returns the predictions of mean-field theory for a network whose inputs have variance 1.

    The signal at the output of a layer is the next layer's signal times the next layer's sqrt(chi).
    The gradient of a kernel is the gradient by the pre-activations, sqrt(chi/variance) times the
    signal, times the outputs of the previous layer, sqrt(q/variance).

    Returns:
        Lists by name, from the first hidden layer to the last, relative to the last one; the
        factors start at the second layer.
    """
    from experiments.common.first_steps import predicted_signal
    from vg_keras.theory import mean_field, mean_field_path

    q, chi = mean_field_path("tanh", variance, q=variance, depth=depth)
    signal = predicted_signal(chi)
    weights = signal * np.sqrt(chi * q)
    return {
        "theory_signal": signal.tolist(),
        "theory_weight_gradients": (weights / weights[-1]).tolist(),
        "theory_factors": np.sqrt(chi[1:]).tolist(),
        "theory_in_the_end": mean_field("tanh", variance).factor_per_layer,
    }


def _means(found: dict[str, Any]) -> dict[str, float]:
    return {
        "signal_factor": float(np.mean([factor_per_layer(v) for v in found["signal"]])),
        "weight_factor": float(np.mean([factor_per_layer(v) for v in found["weight_gradients"]])),
        "singular_value": float(np.mean(found["mean_singular_value"])),
    }


def _checks(results: Results, as_published: bool) -> list[Check]:
    checks = []
    for kind, singular in (("standard", 0.5), ("normalised", 0.8)):
        result = results[kind]
        signal, weights = f"{kind}: factor of the signal", f"{kind}: factor of the weight gradients"
        exactly = "of mean-field theory for this depth and these inputs"
        ours, level = result["signal_factor"], result["weight_factor"]
        here = factor_per_layer(result["theory_signal"])
        level_here = factor_per_layer(result["theory_weight_gradients"])
        linear = f"{PAPER}, eq. 13: sqrt(n Var W), for tanh that is still linear"
        checks += [
            _near(f"{signal}, that of linear units", linear, result["theory_in_the_end"], ours),
            _near(f"{signal}, that {exactly}", "mean-field theory", here, ours),
            _near(f"{weights}, level", f"{PAPER}, eq. 14", 1.0, level),
            _near(f"{weights}, that {exactly}", "mean-field theory", level_here, level),
            _near(
                f"{kind}: mean singular value of a layer's Jacobian",
                f"{PAPER}, around {singular}",
                singular,
                result["singular_value"],
                0.1,
            ),
            _near(
                f"{kind}: RMS singular value, relative to the recorded factor of the same layer",
                "linear algebra: the largest deviation of any layer",
                1.0,
                _least_like(result),
            ),
        ]
    if not as_published:
        return checks
    before, result = "computed for this project before", results["standard"]
    return [
        *checks,
        _near(
            "standard: factor of the signal, as before",
            before,
            0.574,
            result["signal_factor"],
            0.02,
        ),
        _near(
            "standard: factor of the weight gradients, as before",
            before,
            0.997,
            result["weight_factor"],
            0.02,
        ),
    ]


def _near(what: str, source: str, expected: float, ours: float, tolerance: float = 0.05) -> Check:
    return Check.near(what, source, expected, ours, tolerance)


def _least_like(result: dict[str, Any]) -> float:
    """Returns the worst ratio over all layers of the RMS singular value to the layer's factor."""
    ratios = np.mean(result["rms_singular_value"], axis=0) / layer_factors(result).mean(axis=0)
    return float(ratios[np.argmax(np.abs(np.log(ratios)))])


def layer_factors(result: dict[str, Any]) -> NDArray[np.float64]:
    """Returns the factor of the signal at each layer from the second, `[draws, depth - 1]`."""
    signal = np.array(result["signal"])
    return signal[:, :-1] / signal[:, 1:]


if __name__ == "__main__":
    sys.exit(command_line.main("glorot"))

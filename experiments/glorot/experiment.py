"""Measures the first step of networks with both initializations, and their Jacobians."""

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.common import mlp
from experiments.common.factors import factor_per_layer, mean_factor
from experiments.common.first_steps import FirstSteps
from experiments.common.outcome import Outcome, Results
from experiments.common.session import Session
from experiments.common.sweep import Work
from experiments.glorot.expected import VARIANCES, checks, theory
from experiments.glorot.figure import draw

INITIALIZERS: dict[str, mlp.Initializer] = {
    "standard": mlp.scaled(1 / 3, "uniform"),  # between -1/sqrt(n) and 1/sqrt(n) for n inputs
    "normalized": "glorot_uniform",
}

EXAMPLES = 2
"""Number of examples per batch for which Jacobians are computed."""

EDGES = np.linspace(0, 2, 101)
"""Bin edges of the histogram of singular values."""


def run(session: Session) -> Outcome:
    """Draws networks of both kinds and compares their backpropagated signals."""
    options = session.options
    size = {name: getattr(options, name) for name in ("depth", "width", "draws", "seed")}
    found = session.sweep(measure, [(kind, *size.values()) for kind in INITIALIZERS])
    results = {
        kind: one | theory(VARIANCES[kind], options.depth)
        for kind, one in zip(INITIALIZERS, found, strict=True)
    }
    title = (
        f"{options.depth} tanh layers of {options.width} units, standard or normalized (Glorot) "
        f"initialization; mean and range of {options.draws} networks of each kind\n"
        "First training step with Gaussian inputs and random labels"
    )
    compared = [*checks(results, options.depth, options.width)]
    return Outcome(answer(results), compared, results, size, draw(results, EDGES, title))


def answer(results: Results) -> str:
    """Returns the answer: "No" if weight gradients are flat although the signal shrinks."""
    standard, normalized = results["standard"], results["normalized"]
    no = 0.95 < standard["weight_factor"] < 1.05 and standard["signal_factor"] < 0.95
    return (
        f"{'No' if no else 'Not shown here'}. Under the standard initialization, each layer "
        f"multiplies the weight gradients by {standard['weight_factor']:.3f} and the backpropagated"
        f" signal by {standard['signal_factor']:.3f}. Under the normalized initialization, the "
        f"factors are {normalized['weight_factor']:.3f} and {normalized['signal_factor']:.3f}; for "
        f"the signal, theory predicts {factor_per_layer(normalized['theory_signal']):.3f} at this "
        "depth and 1 for infinite depth. The mean singular value of a layer's Jacobian is "
        f"{standard['singular_value']:.2f} and {normalized['singular_value']:.2f}."
    )


def measure(run: tuple[str, int, int, int, int], work: Work) -> dict[str, Any]:
    """Returns signal, weight gradients and singular values of several networks of one kind.

    These are lists `[draws, depth]` by name, or `[draws, depth - 1]` from the second hidden layer
    on; means over all of these; and the number of singular values between each pair of `EDGES`.
    """
    kind, depth, width, draws, seed = run
    steps = FirstSteps(seed)
    counts = np.zeros(len(EDGES) - 1, int)
    found = defaultdict(list)
    for _ in range(draws):
        network = mlp.network("tanh", depth, width, INITIALIZERS[kind], inputs=width)
        step = steps.of(network)
        values = np.array([singular_values(network.get_weights(), x) for x in step.x[:EXAMPLES]])
        found["signal"].append(step.signal)
        found["weight_gradients"].append(step.weight_gradients)
        found["factors"].append(np.divide(step.signal[:-1], step.signal[1:]).tolist())
        found["mean_singular_value"].append(values.mean(axis=(0, 2)).tolist())
        found["rms_singular_value"].append(np.sqrt((values**2).mean(axis=(0, 2))).tolist())
        counts += np.histogram(values, EDGES)[0]
    return {
        **found,
        "signal_factor": mean_factor(found["signal"]),
        "weight_factor": mean_factor(found["weight_gradients"]),
        "singular_value": float(np.mean(found["mean_singular_value"])),
        "counts": counts.tolist(),
    }


def singular_values(
    weights: list[NDArray[np.float32]], x: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Returns the singular values of d(output)/d(input) of each hidden layer but the first.

    The weights are kernel and biases of each layer, and `x` is one example.
    """
    jacobians, values = [], x.astype(np.float64)
    for kernel, biases in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        values = np.tanh(values @ kernel + biases)
        jacobians.append((1 - values**2)[:, np.newaxis] * kernel.T.astype(np.float64))
    return np.array([np.linalg.svd(j, compute_uv=False) for j in jacobians[1:]])

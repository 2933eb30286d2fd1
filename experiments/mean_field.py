"""Does mean-field theory foresee from activation and initializer whether the signal vanishes?

Theory gives a number for each pair of activation and initializer: sqrt(chi), the factor per layer
by which the backpropagated signal changes in a deep network with random weights. GradientMonitor
measures it at the first step of such networks. Inputs are Gaussian and labels random: no data set
is needed.

Each network is measured twice: first with inputs scaled so that the forward pass starts at its
fixed point, where sqrt(chi) applies exactly, then with ordinary inputs of variance 1. Some networks
take hundreds of layers to approach their fixed point, so theory is evaluated layer by layer.
"""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.common import command_line, options
from experiments.common.factors import factor_per_layer
from experiments.common.outcome import Check, Outcome
from experiments.common.style import LABELS

if TYPE_CHECKING:
    from experiments.common.mlp import Initializer
    from experiments.common.session import Session
    from experiments.common.sweep import Work


@dataclass(frozen=True)
class Layers:
    """How the layers of a network are drawn.

    Args:
        activation: Name of a Keras activation.
        drawn: Name of the initializers in figures and tables.
        kernel: Keras initializer of the kernels.
        biases: Keras initializer of the biases.
    """

    activation: str
    drawn: str
    kernel: Initializer
    biases: Initializer = "zeros"

    def __str__(self) -> str:
        """Returns the names of activation and initializer."""
        return f"{LABELS[self.activation]}, {self.drawn}"


def _normal(weight_variance: float, distribution: str = "untruncated_normal") -> Initializer:
    """Returns an initializer whose weights have the given variance over the number of inputs."""
    config = {"scale": weight_variance, "mode": "fan_in", "distribution": distribution}
    return {"class_name": "VarianceScaling", "config": config}


def _biases(variance: float) -> Initializer:
    return {"class_name": "RandomNormal", "config": {"stddev": math.sqrt(variance)}}


def _orthogonal(gain: float) -> Initializer:
    return {"class_name": "Orthogonal", "config": {"gain": gain}}


PAIRS = [
    Layers("sigmoid", "Glorot", "glorot_uniform"),
    Layers("sigmoid", "He", "he_normal"),
    Layers("sigmoid", "orthogonal", _orthogonal(1.0)),
    Layers("sigmoid", "Nielsen", "lecun_normal", _biases(1.0)),
    Layers("tanh", "standard", _normal(1 / 3, "uniform")),
    Layers("tanh", "Glorot", "glorot_uniform"),
    Layers("tanh", "orthogonal, gain 1.5", _orthogonal(1.5)),
    Layers("tanh", "(1.76, 0.05)", _normal(1.76), _biases(0.05)),
    Layers("softsign", "Glorot", "glorot_uniform"),
    Layers("relu", "Glorot", "glorot_uniform"),
    Layers("relu", "He", "he_normal"),
    Layers("relu", "orthogonal", _orthogonal(1.0)),
    Layers("relu", "variance 5/n", _normal(5.0)),
    Layers("leaky_relu", "He", "he_normal"),
    Layers("elu", "Glorot", "glorot_uniform"),
    Layers("selu", "LeCun", "lecun_normal"),
    Layers("gelu", "He", "he_normal"),
    Layers("silu", "He", "he_normal"),
    Layers("linear", "Glorot", "glorot_uniform"),
]
ACTIVATIONS = list(dict.fromkeys(layers.activation for layers in PAIRS))

PUBLISHED: dict[str, tuple[float | None, float, float, float | None]] = {
    "sigmoid, Glorot": (0.264687, 0.055721, 0.2360, 0.237),
    "sigmoid, Nielsen": (1.302134, 0.041960, 0.2048, None),
    "sigmoid, He": (0.555290, 0.100977, 0.3178, None),
    "tanh, standard": (0, 1 / 3, 0.5774, 0.574),
    "tanh, (1.76, 0.05)": (0.569463, 0.999796, 0.9999, None),
    "ReLU, Glorot": (None, 1 / 2, 0.7071, 0.707),
    "ReLU, He": (None, 1, 1, 1.003),
}
"""q*, chi, sqrt(chi), and the factor measured earlier in ten layers of 512."""

NEARLY_ZERO = 1e-8
"""The initial variance if the fixed point is 0, which random inputs cannot have."""


THEORY = "mean-field theory"
PAPERS = "the formulas of Poole et al. 2016, computed for this project before"
BEFORE = "measured for this project before"
FORESEEN = 0.05
"""The largest deviation from theory that still counts as predicted."""

AS_PUBLISHED = (10, 512)
"""Depth and width for which the factors were measured earlier."""

SMALL = ["--depth=4", "--width=16", "--draws=1"]

Results = dict[str, dict[str, Any]]


def add_options(parser: ArgumentParser) -> None:
    """Adds the options of this experiment."""
    add = parser.add_argument
    add("--depth", type=options.at_least_two, default=10, help="number of hidden layers")
    add("--width", type=options.positive, default=512, help="units in each of them, and inputs")
    add("--draws", type=options.positive, default=3, help="networks drawn of each kind")
    add("--seed", type=options.natural, default=0, help="seed of weights, inputs and labels")


def run(session: Session) -> Outcome:
    """Measures the factor of every pair and compares it with theory's."""
    from experiments.figures.mean_field import draw

    chosen = session.chosen
    size = (chosen.depth, chosen.width, chosen.draws, chosen.seed)
    found = session.sweep(measure, [(activation, *size) for activation in ACTIVATIONS])
    measured = {name: signals for one in found for name, signals in one.items()}
    results = {str(layers): theory(layers, chosen.depth) for layers in PAIRS}
    for name, result in results.items():
        result |= {"signals": measured[name]} | _factors(measured[name])
    checks = _checks(results, (chosen.depth, chosen.width) == AS_PUBLISHED)
    title = f"{chosen.depth} layers of {chosen.width}, first step, Gaussian inputs, random labels"
    return Outcome(
        _answer(results, checks, chosen.depth),
        {session.name: draw(results, f"{title}; mean of {chosen.draws} draws")},
        checks,
        results,
        {"depth": chosen.depth, "width": chosen.width, "draws": chosen.draws, "seed": chosen.seed},
    )


def _answer(results: Results, checks: list[Check], depth: int) -> str:
    factors = [result["factor"] for result in results.values()]
    at, usual = (
        abs(_worst(results, *names) - 1)
        for names in (("factor", "sqrt_chi"), ("usual_factor", "usual_theory"))
    )
    gelu = results["GELU, He"]
    unheld = "; ".join(
        f"{check.what} is {check.printed}, published as {check.published}"
        for check in checks
        if not check.held
    )
    verdict = "Yes" if max(at, usual) < FORESEEN else "Not here"
    return (
        f"{verdict}: over {len(results)} pairs, from {min(factors):.3f} to {max(factors):.2f} a "
        f"layer, what is measured at the fixed point differs from sqrt(chi) by at most {at:.1%}. "
        f"With inputs of variance 1 it differs by at most {usual:.1%} from theory followed layer "
        f"by layer; of GELU with He, sqrt(chi) is {gelu['sqrt_chi']:.2f}, but the factor "
        f"{gelu['usual_factor']:.2f} in {depth} layers."
        + (f" Not as published: {unheld}." if unheld else "")
    )


def measure(run: tuple[str, int, int, int, int], work: Work) -> dict[str, Any]:
    """Returns the signals in networks with one activation, for all its initializers in `PAIRS`.

    Returns:
        Lists `[2, draws, depth]` by the name of the pair: the RMS of dL/d(output) of each layer,
        starting from the fixed point and from inputs of variance 1.
    """
    from experiments.common import mlp
    from experiments.common.first_steps import FirstSteps

    activation, depth, width, draws, seed = run
    steps = FirstSteps(seed)
    pairs = [layers for layers in PAIRS if layers.activation == activation]
    found = {}
    for layers in pairs:
        sizes = (theory(layers, depth)["input_rms"], 1.0)
        signals: tuple[list[Any], list[Any]] = ([], [])
        for _ in range(draws):
            network = mlp.network(
                activation, depth, width, layers.kernel, biases=layers.biases, inputs=width
            )
            for input_rms, signal in zip(sizes, signals, strict=True):
                signal.append(steps.of(network, input_rms).signal)
            work.reports.put(1 / draws / len(pairs))
        found[str(layers)] = signals
    return found


def theory(layers: Layers, depth: int) -> dict[str, Any]:
    """Returns the predictions of theory for networks of such layers.

    Returns:
        By name: q* and sqrt(chi); the RMS of inputs that start at the fixed point; and for inputs
        of variance 1 the factor per layer and the signal by layer, relative to the last one.
    """
    from experiments.common.first_steps import predicted_signal
    from vg_keras.theory import mean_field_path, predict

    prediction = predict(layers.activation, layers.kernel, layers.biases)
    sw2, sb2 = prediction.weight_variance, prediction.bias_variance
    # Without a fixed point all starts are equivalent, because these activations bend only at 0.
    start = max(prediction.q, NEARLY_ZERO) if math.isfinite(prediction.q) else sw2
    _, chi = mean_field_path(layers.activation, sw2, sb2, q=sw2 + sb2, depth=depth)
    signal = predicted_signal(chi).tolist()
    return {
        "q": prediction.q,
        "chi": prediction.chi,
        "sqrt_chi": prediction.factor_per_layer,
        "weight_variance": sw2,
        "input_rms": math.sqrt((start - sb2) / sw2),
        "usual_theory": factor_per_layer(signal),
        "usual_signal": signal,
    }


def _factors(signals: list[Any]) -> dict[str, float]:
    """Returns the factors per layer from the fixed point and from inputs of variance 1."""
    at, usual = (float(np.mean([factor_per_layer(s) for s in draws])) for draws in signals)
    return {"factor": at, "usual_factor": usual}


def _worst(results: Results, ours: str, expected: str) -> float:
    """Returns the ratio of ours to theory's that is farthest from 1, over all pairs."""
    ratios = np.array([result[ours] / result[expected] for result in results.values()])
    with np.errstate(divide="ignore"):
        return float(ratios[np.argmax(np.abs(np.log(ratios)))])  # NaN is the worst


def _checks(results: Results, as_published: bool) -> list[Check]:
    checks = [
        _near(f"{name}: factor a layer at the fixed point", THEORY, r["sqrt_chi"], r["factor"])
        for name, r in results.items()
    ]
    checks.append(
        _near(
            "factor a layer with inputs of variance 1, relative to theory by layer",
            f"{THEORY}: the largest deviation of any pair",
            1.0,
            _worst(results, "usual_factor", "usual_theory"),
        )
    )
    for name, (*_, seen) in PUBLISHED.items():
        result = results[name]
        if seen and as_published:
            what = f"{name}: factor a layer with inputs of variance 1"
            checks.append(_near(what, BEFORE, seen, result["usual_factor"]))
        checks += _digits(name, result)
    bounds = [
        r["factor"] / math.sqrt(r["weight_variance"] / 16)
        for name, r in results.items()
        if name.startswith("sigmoid")
    ]
    source = "the slope of sigmoid is at most 1/4"
    what = "sigmoid: largest factor a layer, relative to sqrt(sw2/16)"
    return [*checks, Check(what, source, "at most 1", float(np.max(bounds)), high=1.0)]


def _digits(name: str, result: dict[str, Any]) -> list[Check]:
    """Returns checks of theory itself: every printed digit."""
    q, chi, sqrt_chi, _ = PUBLISHED[name]
    checks = []
    for symbol, value, key, places in (
        ("q*", q, "q", 6),
        ("chi", chi, "chi", 6),
        ("sqrt(chi)", sqrt_chi, "sqrt_chi", 4),
    ):
        if value is not None:
            # One unit of the last digit, because the printed value may have been truncated.
            unit, form, what = 10**-places, f".{places}f", f"{name}: {symbol} in theory"
            low, high, printed = value - unit, value + unit, format(value, form)
            checks.append(Check(what, PAPERS, printed, result[key], low, high, form))
    return checks


def _near(what: str, source: str, expected: float, ours: float) -> Check:
    return Check.near(what, source, expected, ours, 0.05)


if __name__ == "__main__":
    sys.exit(command_line.main("mean_field"))

"""Which activation functions squash what the images differ in, layer by layer?

Ten hidden layers at initialization, one batch of images, nine activation functions. The span of a
layer is the standard deviation of its outputs over the images: how far its outputs on different
images are apart. A side branch at each layer subtracts the mean over the images from its output,
and GradientMonitor records the deviations, together with the backpropagated signal.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.common import command_line, options
from experiments.common.factors import factor_per_layer
from experiments.common.outcome import Check, Outcome, counted
from experiments.common.style import LABELS

if TYPE_CHECKING:
    from experiments.common.session import Session
    from experiments.common.sweep import Work
    from vg_keras import Record, Sketch

ACTIVATIONS = ("sigmoid", "tanh", "softsign", "relu", "leaky_relu", "elu", "selu", "gelu", "silu")
INITIALIZERS = [
    f"{name}_{kind}" for name in ("glorot", "he", "lecun") for kind in ("uniform", "normal")
]
BINS = 40
"""Number of bars in a histogram."""

SMALL = ["--depth=3", "--width=8", "--images=20", "--seeds=2", "--limit=100"]


@dataclass(frozen=True)
class Settings:
    """Settings that determine the outcome.

    Args:
        depth: Number of hidden layers.
        width: Units in each hidden layer.
        initializer: A Keras initializer, for every kernel; biases are zero.
        images: Number of images, which form one batch.
        seeds: How often the weights are drawn.
    """

    depth: int
    width: int
    initializer: str
    images: int
    seeds: int


def add_options(parser: ArgumentParser) -> None:
    """Adds the options of this experiment."""
    parser.add_argument("--depth", type=options.at_least_two, default=10, help="hidden layers")
    parser.add_argument("--width", type=options.positive, default=128, help="units in each")
    parser.add_argument(
        "--initializer", choices=INITIALIZERS, default="glorot_uniform", help="that of all kernels"
    )
    parser.add_argument("--images", type=options.positive, default=500, help="images in the batch")
    options.add_seeds(parser, 5)
    options.add_data(parser)


def run(session: Session) -> Outcome:
    """Measures the network with each activation function, and compares the results."""
    from experiments.figures.activations import draw
    from vg_keras.theory import predict

    c = session.chosen
    images = min(c.images, len(session.digits.x_train))
    settings = Settings(c.depth, c.width, c.initializer, images, c.seeds)
    measured = session.sweep(measure, [(name, settings) for name in ACTIVATIONS])
    results: dict[str, dict[str, Any]] = {}
    for name, result in zip(ACTIVATIONS, measured, strict=True):
        theory = predict(name, settings.initializer, fan_in=settings.width)
        results[name] = result | {
            "forward": 1 / _factor([spans[1:] for spans in result["spans"]]),
            "backward": _factor(result["gradients"]),
            "theory": theory.factor_per_layer,
        }
    title = f"{session.digits.name}, {images} images; {_describe(settings)}"
    return Outcome(
        _answer(results),
        {session.name: draw(results, title)},
        _checks(results),
        results,
        asdict(settings),
    )


def _describe(settings: Settings) -> str:
    return (
        f"{settings.depth} hidden layers of {settings.width} units at initialization, "
        f"{settings.initializer}, median of {settings.seeds} seeds"
    )


def measure(run: tuple[str, Settings], work: Work) -> dict[str, Any]:
    """Returns what the monitor recorded of a network, whose weights are drawn once per seed.

    Returns:
        `spans`, for each seed, of the input and each hidden layer; `gradients`, for each seed, of
        each hidden layer; `ranges`, the 5 % and 95 % quantiles of each layer's outputs; and the
        `histograms` of some layers.
    """
    activation, settings = run
    records = [record_of(activation, settings, seed, work) for seed in range(settings.seeds)]
    depths = range(1, settings.depth + 1)
    outputs = {d: _joined([r.activations[f"hidden_{d}"] for r in records]) for d in depths}
    shown = sorted({round(d) for d in np.linspace(1, settings.depth, 4)})
    deviations = {d: _joined([r.activations[f"deviation_{d}"] for r in records]) for d in shown}
    return {
        "spans": [[r.activations[f"deviation_{d}"].rms for d in (0, *depths)] for r in records],
        "gradients": [
            [r.activation_gradient_rms_per_example(f"hidden_{d}") for d in depths] for r in records
        ],
        "ranges": [outputs[d].quantile([0.05, 0.95]).tolist() for d in depths],
        "histograms": _histograms(
            {d: outputs[d] for d in shown}, {d: deviations[d] for d in shown}
        ),
    }


def record_of(activation: str, settings: Settings, seed: int, work: Work) -> Record:
    """Returns the record of one step that does not change the weights."""
    import keras

    from experiments.common import mlp
    from vg_keras import GradientMonitor

    mlp.begin(seed)
    with mlp.double_precision():
        network = mlp.network(activation, settings.depth, settings.width, settings.initializer)
        layers = [network.input, *(layer.output for layer in network.layers[1:-1])]
        outputs = {"output": network.output}
        for depth, values in enumerate(layers):
            mean = keras.ops.mean(values, axis=0, keepdims=True)
            outputs[f"deviation_{depth}"] = mlp.named(values - mean, f"deviation_{depth}")
        model = keras.Model(network.input, outputs)
    # Eagerly, because tracing a step takes ten times as long as running it.
    loss = {"output": "sparse_categorical_crossentropy"}
    model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
    monitor = GradientMonitor(
        None, variables="output/bias", activations=["hidden_*", "deviation_*"], updates=False
    )
    x, y = (a[: settings.images] for a in (work.digits.x_train, work.digits.y_train))
    model.fit(x, {"output": y}, batch_size=len(x), shuffle=False, callbacks=[monitor], verbose=0)
    return monitor.records[0]


def _joined(sketches: Sequence[Sketch]) -> Sketch:
    """Returns the sum of several sketches."""
    first, *others = sketches
    return sum(others, start=first)


def _histograms(
    outputs: Mapping[int, Sketch], deviations: Mapping[int, Sketch]
) -> dict[str, dict[str, Any]]:
    """Returns the histograms of outputs and of deviations, all over the same range.

    The range contains 99.8 % of the outputs of each of these layers. Deviations are drawn around
    the mean output.
    """
    low, high = np.transpose([sketch.quantile([0.001, 0.999]) for sketch in outputs.values()])
    bins = np.linspace(low.min(), high.max(), BINS + 1)
    return {
        str(depth): {
            "bins": bins.tolist(),
            "outputs": rebinned(outputs[depth], bins).tolist(),
            "deviations": rebinned(deviations[depth], bins - outputs[depth].mean).tolist(),
        }
        for depth in outputs
    }


def rebinned(sketch: Sketch, bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a sketch's counts in the given bins, float64 `[len(bins) - 1]`.

    The elements of an interval are spread evenly over it. An interval of zero width is counted in
    the bin that starts there, and elements outside all bins are not counted.
    """
    edges, counts = sketch.intervals()
    left, right = edges[:, :1], edges[:, 1:]
    overlap = np.minimum(right, bins[1:]) - np.maximum(left, bins[:-1])
    inside = (left >= bins[:-1]) & (left < bins[1:])
    width = right - left
    share = np.where(width > 0, np.maximum(overlap, 0) / np.where(width > 0, width, 1), inside)
    return counts.astype(np.float64) @ share


def _factor(values: Sequence[Sequence[float]]) -> float:
    """Returns the factor per layer from the last layer to the first: the median over the seeds."""
    return float(np.median([factor_per_layer(v) for v in values]))


def _left(result: Mapping[str, Any]) -> float:
    """Returns the span of the last layer relative to that of the first hidden layer."""
    return float(np.median([spans[-1] / spans[1] for spans in result["spans"]]))


def _answer(results: dict[str, dict[str, Any]]) -> str:
    factors = ", ".join(f"{LABELS[name]} {r['forward']:.3f}" for name, r in results.items())
    sigmoid, tanh, relu = (results[name] for name in ("sigmoid", "tanh", "relu"))
    return (
        "How far the outputs on different images lie apart changes a layer by a factor of "
        f"{factors}. With sigmoid the signal that comes back changes by a factor of "
        f"{sigmoid['backward']:.3f}. The last layer leaves "
        f"{_left(sigmoid):.1e} of the first one's span with sigmoid, {_left(tanh):.2g} with tanh "
        f"and {_left(relu):.2g} with ReLU, which alone of them is not bounded."
    )


def _checks(results: dict[str, dict[str, Any]]) -> list[Check]:
    theory = "mean-field theory, sqrt(chi) at the fixed point, +-10 %"
    checks = [
        Check.near(f"{LABELS[name]}: factor of the span a layer", theory, r["theory"], r["forward"])
        for name, r in results.items()
    ]
    sigmoid, relu = results["sigmoid"], results["relu"]
    what = "sigmoid: factor of the backpropagated signal a layer"
    checks.append(Check.near(what, theory, sigmoid["theory"], sigmoid["backward"]))
    apart = float(np.max([abs(r["backward"] / r["forward"] - 1) for r in results.values()]))
    what = "largest difference between the factors forward and backward, %"
    checks.append(Check(what, "mean-field theory: one factor, chi", "0", 100 * apart, 0, 10, ".1f"))
    for name in ("sigmoid", "tanh"):
        spans = np.median(results[name]["spans"], axis=0)[1:]
        what = f"{name}: layers behind the first one that widen the span"
        source = "claim 3: stacked layers squash again and again"
        checks.append(Check(what, source, "0", counted(np.diff(spans) >= 0, spans), 0, 0, ".0f"))
    ratio = _left(results["tanh"]) / _left(relu)
    what = "what tanh leaves of the span, relative to what ReLU leaves"
    checks.append(Check(what, "claims 3 and 6", "less than 1", ratio, 0, 1))
    what = "ReLU: factor of the span a layer, which is not to squash"
    checks.append(Check.near(what, "claim 6, for any initializer, +-10 %", 1.0, relu["forward"]))
    return checks


if __name__ == "__main__":
    sys.exit(command_line.main("activations"))

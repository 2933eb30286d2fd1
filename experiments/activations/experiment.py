"""Measures networks at initialization, with each activation function."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from experiments.activations.expected import checks
from experiments.activations.figure import draw
from experiments.common import mlp
from experiments.common.factors import factor_per_layer
from experiments.common.outcome import Outcome, Results
from experiments.common.session import Session
from experiments.common.style import LABELS
from experiments.common.sweep import Work
from vg_keras import GradientMonitor, Record, Sketch
from vg_keras.theory import predict

ACTIVATIONS = ("sigmoid", "tanh", "softsign", "relu", "leaky_relu", "elu", "selu", "gelu", "silu")


@dataclass(frozen=True)
class Settings:
    """Settings that determine the outcome, as in the options."""

    depth: int
    width: int
    initializer: str
    images: int
    num_seeds: int


def run(session: Session) -> Outcome:
    """Measures the network with each activation function, and compares with theory."""
    chosen = session.options
    images = min(chosen.images, len(session.digits.x_train))
    settings = Settings(chosen.depth, chosen.width, chosen.initializer, images, chosen.num_seeds)
    measured = session.sweep(measure, [(name, settings) for name in ACTIVATIONS])
    results: Results = dict(zip(ACTIVATIONS, measured, strict=True))
    for name, result in results.items():
        spread = result["spread"]
        result |= {
            "forward": 1 / median_factor([s[1:] for s in spread]),
            "backward": median_factor(result["gradients"]),
            "theory": predict(name, settings.initializer, fan_in=settings.width).factor_per_layer,
            "remaining": float(np.median([s[-1] / s[1] for s in spread])),
        }
    title = (
        f"{session.digits.name}, {images} images; {chosen.depth} hidden layers of {chosen.width} "
        f"units at initialization, {chosen.initializer}, median of {chosen.num_seeds} seeds"
    )
    figure, parts = draw(results, title), findings(results)
    return Outcome(ANSWER, [*checks(results)], results, asdict(settings), figure, parts)


def measure(run: tuple[str, Settings], work: Work) -> dict[str, Any]:
    """Returns what the monitor recorded of a network, whose weights are drawn once per seed.

    For each seed, the `spread` of the input and of each hidden layer, and the `gradients` of each
    hidden layer; and the `histograms` of some hidden layers.
    """
    activation, settings = run
    records = [record_of(activation, settings, seed, work) for seed in range(settings.num_seeds)]
    layers = range(1, settings.depth + 1)
    gradient = Record.activation_gradient_rms_per_example
    shown = sorted({round(layer) for layer in np.linspace(1, settings.depth, 4)})
    return {
        "spread": [[r.activations[f"deviation_{i}"].rms for i in (0, *layers)] for r in records],
        "gradients": [[gradient(r, f"hidden_{i}") for i in layers] for r in records],
        "histograms": _histograms(records, shown),
    }


def record_of(activation: str, settings: Settings, seed: int, work: Work) -> Record:
    """Returns the record of one step that does not change the weights."""
    mlp.begin(seed)
    shape = settings.depth, settings.width, settings.initializer
    network = mlp.network(activation, *shape, dtype=mlp.DOUBLE)
    outputs = {"output": network.output}
    for i, layer in enumerate(network.layers[:-1]):
        deviation = layer.output - keras.ops.mean(layer.output, axis=0, keepdims=True)
        outputs[f"deviation_{i}"] = mlp.named(deviation, f"deviation_{i}")
    model = keras.Model(network.input, outputs)
    # Eagerly, because tracing a step takes ten times as long as running it.
    loss = {"output": "sparse_categorical_crossentropy"}
    model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
    activations = ["hidden_*", "deviation_*"]
    monitor = GradientMonitor(
        None, variables="output/bias", activations=activations, updates=False, on_problem=None
    )
    x, y = (a[: settings.images] for a in (work.digits.x_train, work.digits.y_train))
    model.fit(x, {"output": y}, batch_size=len(x), shuffle=False, callbacks=[monitor], verbose=0)
    return monitor.records[0]


def _histograms(records: Sequence[Record], layers: Sequence[int]) -> Results:
    """Returns the histograms of outputs and of deviations, all over the same range.

    It contains 99.8% of the outputs of each layer. Deviations are centered on the mean output.
    """
    outputs, deviations = (
        [reduce(add, [r.activations[f"{kind}_{i}"] for r in records]) for i in layers]
        for kind in ("hidden", "deviation")
    )
    low, high = np.transpose([output.quantile([0.001, 0.999]) for output in outputs])
    bins = np.linspace(low.min(), high.max(), num=41)
    return {
        str(layer): {
            "bins": bins.tolist(),
            "outputs": rebinned(output, bins).tolist(),
            "deviations": rebinned(deviation, bins - output.mean).tolist(),
        }
        for layer, output, deviation in zip(layers, outputs, deviations, strict=True)
    }


def rebinned(sketch: Sketch, bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a sketch's counts in the given bins, float64 `[len(bins) - 1]`.

    The elements of an interval are spread evenly over it. An interval of zero width is counted in
    the bin that starts there, and elements outside all bins are not counted.
    """
    edges, counts = sketch.intervals()
    edges[:, 1] += np.where(edges[:, 0] == edges[:, 1], np.spacing(edges[:, 1]), 0)
    total = np.cumsum(counts)
    below = np.stack([total - counts, total], axis=1)
    return np.diff(np.interp(bins, edges.ravel(), below.ravel()))


def median_factor(values: Sequence[Sequence[float]]) -> float:
    """Returns the factor per layer from the last layer to the first: the median over the seeds."""
    return float(np.median([factor_per_layer(v) for v in values]))


ANSWER = """\
From layer to layer, the standard deviation of the outputs over the images is multiplied by \
{factor per layer, forward}. With sigmoid, the backpropagated signal is multiplied by \
{factor per layer, backward} per layer. Of the first layer's standard deviation, the last layer \
retains {part that the last layer retains}, the only one of these three without bounds."""


def findings(results: Results) -> dict[str, str]:
    """Returns the parts of the answer, by name."""
    factors = [f"{r['forward']:.3f} with {LABELS[name]}" for name, r in results.items()]
    three = ("sigmoid", "tanh", "relu")
    remaining = [f"{results[name]['remaining']:.2g} with {LABELS[name]}" for name in three]
    return {
        "factor per layer, forward": ", ".join(factors),
        "factor per layer, backward": f"{results['sigmoid']['backward']:.3f}",
        "part that the last layer retains": ", ".join(remaining),
    }

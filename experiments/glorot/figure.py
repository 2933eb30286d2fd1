"""Draws signal and weight gradients by layer, and the singular values of the Jacobians."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.common.outcome import Results
from experiments.common.style import THEORY, finish

STYLES: dict[str, dict[str, Any]] = {
    "standard": {"color": "#D55E00", "marker": "s"},
    "normalized": {"color": "#009E73", "marker": "^"},
}


def draw(results: Results, edges: NDArray[np.float64], title: str) -> Figure:
    """Draws signal and weight gradients by layer, and a histogram with the given edges."""
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    figure.suptitle(f"Equal weight gradients can hide a vanishing signal\n{title}", fontsize=11)
    (signal, weights), (singular, factors) = figure.subplots(2, 2, height_ratios=[1.2, 1])
    weights.sharey(signal)
    for kind, result in results.items():
        style, factor = STYLES[kind], "factor {:.3f} per layer"
        _draw(signal, kind, result, "signal", factor.format(result["signal_factor"]))
        _draw(weights, kind, result, "weight_gradients", factor.format(result["weight_factor"]))
        _draw(factors, kind, result, "factors", "recorded")
        # Circles around the markers of the recorded values, which they should agree with.
        circles = {"marker": "o", "markersize": 12, "fillstyle": "none", "linestyle": ""}
        values = np.mean(result["rms_singular_value"], axis=0)
        x, label = np.arange(len(values)) + 2, f"{kind}: RMS singular value"
        factors.plot(x, values, color=style["color"], label=label, **circles)
        density = np.array(result["counts"]) / np.sum(result["counts"]) / np.diff(edges)
        singular.stairs(density, edges, fill=True, color=style["color"], alpha=0.4, label=kind)
        mean = result["singular_value"]
        singular.axvline(mean, color=style["color"], lw=2, label=f"{kind}: mean {mean:.2f}")
    signal.set(yscale="log", ylabel="RMS of dL/d(output), last layer = 1")
    finish(signal, "Backpropagated signal")
    weights.set_ylabel("mean |dL/dW|, last layer = 1")
    finish(weights, "Weight gradients of the same networks")
    singular.set(xlabel="singular value of d(output)/d(input) of a layer", xlim=edges[[0, -1]])
    finish(singular, "Singular values of the layers' Jacobians", ylabel="probability density")
    factors.set(ylabel="factor", ylim=(0, 1.1))
    finish(factors, "Factor by which each layer multiplies the signal")
    for axes in (signal, weights, factors):
        axes.set_xlabel("hidden layer, from input to output")
        axes.set_xticks(range(1, len(results["standard"]["signal"][0]) + 1))
    return figure


def _draw(axes: Axes, kind: str, result: dict[str, Any], name: str, words: str) -> None:
    """Draws mean and range over the networks, and theory; values end at the last layer."""
    values, style = np.array(result[name]), STYLES[kind]
    if name != "factors":
        values /= values[:, -1:]
    x = np.arange(values.shape[1]) + 1 + (name == "factors")
    axes.fill_between(x, values.min(0), values.max(0), color=style["color"], alpha=0.2, lw=0)
    axes.plot(x, values.mean(0), label=f"{kind}: {words}", **style)
    axes.plot(x, result[f"theory_{name}"], label=f"{kind}: theory", **{**style, **THEORY})

"""The figure of `experiments.glorot`."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.style import THEORY, finish
from experiments.glorot import EDGES, Results, layer_factors

STYLES: dict[str, dict[str, Any]] = {
    "standard": {"color": "#D55E00", "marker": "s"},
    "normalised": {"color": "#009E73", "marker": "^"},
}


def draw(results: Results, title: str) -> Figure:
    """Draws signal and weight gradients by depth, and the Jacobians of the layers."""
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    figure.suptitle(
        f"The signal that runs back through a network, and its weight gradients\n{title}",
        fontsize=11,
    )
    (signal, weights), (singular, factors) = figure.subplots(2, 2, height_ratios=[1.2, 1])
    weights.sharey(signal)
    for kind, result in results.items():
        _draw_depth(signal, kind, result, "signal", result["signal_factor"])
        _draw_depth(weights, kind, result, "weight_gradients", result["weight_factor"])
        _draw_singular_values(singular, kind, result)
        _draw_factors(factors, kind, result)
    signal.set_yscale("log")
    signal.set_ylabel("RMS of dL/d(output), last layer = 1")
    finish(signal, "Backpropagated signal")
    weights.set_ylabel("mean |dL/dW|, last layer = 1")
    finish(weights, "Weight gradients of the same networks")
    singular.set_xlabel("singular value of d(output of a layer)/d(output before it)")
    singular.set_ylabel("density")
    singular.set_xlim(EDGES[0], EDGES[-1])
    finish(singular, "Jacobian of a layer: all its singular values, and their mean")
    factors.set_ylabel("factor")
    factors.set_ylim(0, 1.1)
    finish(factors, "Factor by which each layer changes the signal")
    for axes in (signal, weights, factors):
        axes.set_xlabel("hidden layer, from the input to the output")
        axes.set_xticks(range(1, len(results["standard"]["signal"][0]) + 1))
    return figure


def _draw_depth(axes: Axes, kind: str, result: dict[str, Any], what: str, factor: float) -> None:
    values = np.array(result[what])
    values = values / values[:, -1:]
    x = np.arange(values.shape[1]) + 1
    axes.fill_between(x, values.min(0), values.max(0), color=STYLES[kind]["color"], alpha=0.2, lw=0)
    axes.plot(x, values.mean(0), label=f"{kind}: {factor:.3f} a layer", **STYLES[kind])
    label = f"theory for {kind}"
    axes.plot(x, result[f"theory_{what}"], label=label, **{**STYLES[kind], **THEORY})


def _draw_singular_values(axes: Axes, kind: str, result: dict[str, Any]) -> None:
    counts, color = np.array(result["counts"]), STYLES[kind]["color"]
    density = counts / counts.sum() / np.diff(EDGES)
    axes.stairs(density, EDGES, fill=True, color=color, alpha=0.4)
    label = f"{kind}: mean {result['singular_value']:.2f}"
    axes.axvline(result["singular_value"], color=color, linewidth=2, label=label)


def _draw_factors(axes: Axes, kind: str, result: dict[str, Any]) -> None:
    factors, style = layer_factors(result), STYLES[kind]
    x = np.arange(factors.shape[1]) + 2
    axes.fill_between(
        x, factors.min(0), factors.max(0), color=style["color"], alpha=0.2, linewidth=0
    )
    axes.plot(x, factors.mean(0), label=f"{kind}: recorded", **style)
    singular = np.mean(result["rms_singular_value"], axis=0)
    # Drawn around the marker of the recorded value, which it should agree with.
    axes.plot(
        x,
        singular,
        "o",
        markersize=12,
        markerfacecolor="none",
        color=style["color"],
        label=f"{kind}: RMS singular value",
    )
    axes.plot(x, result["theory_factors"], label=f"theory for {kind}", **{**style, **THEORY})

"""Draws spread and backpropagated signal over the layers, and histograms of some layers."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from experiments.common.outcome import Results
from experiments.common.style import LABELS, STYLES, THEORY, finish


def draw(results: Results, title: str) -> Figure:
    """Draws spread and backpropagated signal over the layers, above histograms of some layers."""
    figure = Figure(figsize=(11, 10.5), layout="constrained")
    figure.suptitle(f"Differences between images, and backpropagated signal\n{title}", fontsize=10)
    upper, lower = figure.subfigures(2, 1, height_ratios=[1, 1.15])  # type: ignore[misc]
    forward, backward = upper.subplots(1, 2, sharey=True)
    _draw_layers(forward, results, "spread", "forward")
    label = "spread: standard deviation over images,\nrelative to that of the pixels"
    forward.set(xlabel="hidden layer (0: the images)", ylabel=label)
    finish(forward, "Forward pass: differences between images", legend=False)
    _draw_layers(backward, results, "gradients", "backward")
    label = "RMS of dL/d(output),\nrelative to the last hidden layer"
    backward.set(xlabel="hidden layer", ylabel=label)
    finish(backward, "Backward pass: backpropagated signal", legend=False)
    _draw_histograms(lower, results)
    return figure


def _draw_layers(axes: Axes, results: Results, quantity: str, direction: str) -> None:
    """Draws a quantity relative to the images or to the last layer, and theory for sigmoid."""
    origin, first = (0, 1) if direction == "forward" else (-1, -1)
    for name, result in results.items():
        values = np.median(result[quantity], axis=0)
        values = values / values[origin]
        layers = np.arange(len(values)) - origin
        label = f"{LABELS[name]}: {result[direction]:.3f}"
        axes.plot(layers, values, label=label, **{"markersize": 4, **STYLES[name]})
        if name == "sigmoid":
            hidden = layers[layers > 0]
            line = values[first] * result["theory"] ** np.abs(hidden - layers[first])
            label = f"theory for sigmoid: {result['theory']:.3f}"
            axes.plot(hidden, line, label=label, **{**STYLES[name], **THEORY})
    axes.set_yscale("log")
    axes.tick_params(labelleft=True)
    corner: Any = "lower left" if direction == "forward" else "lower right"
    axes.legend(title="factor per layer", fontsize=7.5, title_fontsize=8, loc=corner)


def _draw_histograms(figure: SubFigure, results: Results) -> None:
    figure.suptitle(
        "Outputs of some hidden layers. Pale: of all units for all images. Dark: the differences "
        "between images only\n(output minus the unit's mean over the images, centered on the mean)",
        fontsize=10,
    )
    figure.supxlabel("output", fontsize=9)
    layers = list(results["sigmoid"]["histograms"])
    grid = figure.subplots(len(layers), len(results), sharex="col", squeeze=False)
    for axes, layer in zip(grid[:, 0], layers, strict=True):
        axes.set_ylabel(f"layer {layer}", fontsize=9)
    for column, (name, result) in zip(grid.T, results.items(), strict=True):
        column[0].set_title(LABELS[name], fontsize=10)
        column[-1].tick_params(axis="x", labelsize=7)
        for axes, histogram in zip(column, result["histograms"].values(), strict=True):
            for kind, alpha in (("outputs", 0.3), ("deviations", 0.9)):
                heights = np.array(histogram[kind]) / max(1, *histogram[kind])
                style = {"color": STYLES[name]["color"], "alpha": alpha, "fill": True}
                axes.stairs(heights, histogram["bins"], **style)
            axes.set(yticks=[], ylim=(0, 1.05))

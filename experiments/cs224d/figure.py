"""Draws the notebook's three figures, and the ratio of the two layers that they do not show."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.style import STYLES, finish
from experiments.cs224d.expected import LAYERS, SHORT, SUMS, SUMS_AT, layer_ratios


def draw(results: dict[str, Any]) -> Figure:
    """Draws both networks apart and together, and below right the ratio of their two layers."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(
        "The figure of the CS224d notebook: gradients of two hidden layers, sigmoid and ReLU\n"
        "Bottom right, which the notebook does not plot: the ratio between the two layers",
        fontsize=11,
    )
    (sigmoid, relu), (both, ratio) = figure.subplots(2, 2, sharex=True)
    for name, own in (("relu", relu), ("sigmoid", sigmoid)):
        _draw_sums(own, both, name, results[name])
        ratios, style = layer_ratios(results[name]), {**STYLES[name], "markevery": [0]}
        label = f"{SHORT[name].lower()}: {ratios[0]:#.3g} at 0, median {np.median(ratios):#.3g}"
        ratio.plot(results[name]["iterations"], ratios, label=label, markersize=5, **style)
        finish(own, f"Sum of magnitudes of gradients -- {SHORT[name]} weights")
    finish(both, "Sum of magnitudes of gradients -- hidden layer neurons")
    finish(ratio, "Gradient of the second layer / first layer")
    for axes in (sigmoid, relu, both):
        axes.sharey(sigmoid)
        axes.set_ylabel("sum of |gradient| / (rows + columns)")
    for axes in (sigmoid, ratio):
        axes.set_yscale("log")
    ratio.set_yticks([1, 2, 5, 10, 20, 50], labels=["1", "2", "5", "10", "20", "50"])
    ratio.minorticks_off()
    ratio.set_ylabel("ratio of the two sums")
    for axes in (both, ratio):
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_formatter("{x:,.0f}")
    return figure


def _draw_sums(own: Axes, both: Axes, name: str, result: dict[str, Any]) -> None:
    """Draws both layers of a network, and marks the float64 values up to its last iteration."""
    at = [i for i in SUMS_AT if i in result["iterations"]]
    for layer, line, mark in zip(LAYERS, "-:", (None, "the notebook in float64"), strict=True):
        label, color = f"{SHORT[name].lower()} {layer} layer", STYLES[name]["color"]
        for axes in (own, both):
            axes.plot(result["iterations"], result[layer], line, color=color, label=label)
        sums = SUMS[name][layer][: len(at)]
        own.plot(at, sums, "ko", markerfacecolor="none", markersize=5, label=mark)

"""The figure of `experiments.cs224d`."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.style import STYLES, finish
from experiments.cs224d import LAYERS, SHORT, SUMS, SUMS_AT, layer_ratios


def draw(results: dict[str, Any]) -> Figure:
    """Draws the notebook's three figures, and next to them what they do not show."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(
        "CS224d, vanishing_grad_example: two hidden layers of 50, softmax, step 0.1, all 300 points"
        "\nWhat the notebook plots, and below right how much more the second layer gets",
        fontsize=11,
    )
    (sigmoid, relu), (both, ratio) = figure.subplots(2, 2, sharex=True)
    for axes, name in ((sigmoid, "sigmoid"), (relu, "relu")):
        _draw_sums(axes, name, results[name])
        _draw_published(axes, name, results[name])
        finish(axes, f"Sum of magnitudes of gradients -- {SHORT[name]} weights")
    for name in ("relu", "sigmoid"):
        _draw_sums(both, name, results[name])
        style = {**STYLES[name], "markersize": 5, "markevery": [0]}
        ratios = layer_ratios(results[name])
        label = f"{SHORT[name].lower()}: {ratios[0]:#.3g} at 0, median {np.median(ratios):#.3g}"
        ratio.plot(results[name]["iterations"], ratios, label=label, **style)
    finish(both, "Sum of magnitudes of gradients -- hidden layer neurons")
    finish(ratio, "Second layer / first layer")
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


def _draw_sums(axes: Axes, name: str, result: dict[str, Any]) -> None:
    for layer, line in zip(LAYERS, ("-", ":"), strict=True):
        style = {**STYLES[name], "marker": "", "linestyle": line}
        label = f"{SHORT[name].lower()} {layer} layer"
        axes.plot(result["iterations"], result[layer], label=label, **style)


def _draw_published(axes: Axes, name: str, result: dict[str, Any]) -> None:
    """Marks the notebook's float64 values, up to the last trained iteration."""
    reached = [i for i, at in enumerate(SUMS_AT) if at in result["iterations"]]
    for layer, label in zip(LAYERS, ("computed in float64", None), strict=True):
        values = [SUMS[name][layer][i] for i in reached]
        at = [SUMS_AT[i] for i in reached]
        axes.plot(at, values, "ko", markerfacecolor="none", markersize=5, label=label)

"""Draws the notebook's figures of both networks, their losses, and the ratio of their layers."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.style import STYLES, finish
from experiments.cs224d.expected import LAYERS, LOSSES, LOSSES_AT, SHORT, SUMS, SUMS_AT, layer_ratio

CIRCLE: dict[str, Any] = {"marker": "o", "color": "k", "fillstyle": "none", "linestyle": ""}


def draw(results: dict[str, Any]) -> Figure:
    """Draws the sums of each network, and below them what the notebook does not plot."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(
        "The figure of the CS224d notebook: gradients of two hidden layers, sigmoid and ReLU\n"
        "Bottom, which the notebook does not plot: the loss, and the ratio between the two layers",
        fontsize=11,
    )
    (sigmoid, relu), (loss, ratio) = figure.subplots(2, 2, sharex=True)
    relu.sharey(sigmoid)
    for name, own in (("sigmoid", sigmoid), ("relu", relu)):
        result, short, style = results[name], SHORT[name].lower(), STYLES[name]
        _draw_sums(own, name, result)
        finish(own, f"Sum of magnitudes of gradients -- {SHORT[name]} weights")
        own.set_ylabel("sum of |gradient| / (rows + columns)")
        loss.plot(result["losses_at"], result["losses"], label=short, **{**style, "marker": ""})
        printed = [i for i in LOSSES_AT if i in result["losses_at"]]
        label = None if name == "sigmoid" else "printed by the notebook"
        loss.plot(printed, LOSSES[name][: len(printed)], label=label, markersize=5, **CIRCLE)
        ratios = layer_ratio(result)
        label = f"{short}: {ratios[0]:#.3g} at 0, median {np.median(ratios):#.3g}"
        ratio.plot(result["iterations"], ratios, label=label, markersize=5, markevery=[0], **style)
    finish(loss, "Loss", xlabel="iteration", ylabel="cross-entropy, nats, and weight penalty")
    ratio.set(xlabel="iteration", ylabel="ratio of the two sums", yscale="log")
    finish(ratio, "Gradient of the second layer / first layer")
    sigmoid.set_yscale("log")
    ratio.set_yticks([1, 2, 5, 10, 20, 50], labels=["1", "2", "5", "10", "20", "50"])
    ratio.minorticks_off()
    loss.xaxis.set_major_formatter("{x:,.0f}")
    return figure


def _draw_sums(axes: Axes, name: str, result: dict[str, Any]) -> None:
    """Draws both layers of a network, and marks the float64 values up to its last iteration."""
    at = [i for i in SUMS_AT if i in result["iterations"]]
    for layer, line, mark in zip(LAYERS, "-:", (None, "the notebook in float64"), strict=True):
        label, color = f"{SHORT[name].lower()} {layer} layer", STYLES[name]["color"]
        axes.plot(result["iterations"], result[layer], line, color=color, label=label)
        axes.plot(at, SUMS[name][layer][: len(at)], markersize=5, label=mark, **CIRCLE)

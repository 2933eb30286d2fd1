"""The figure of `experiments.remedies`."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from experiments.common.style import finish
from experiments.remedies import SICK

# Okabe and Ito's colors and black, each with its own marker.
STYLES: dict[str, dict[str, Any]] = {
    SICK: {"color": "#000000", "marker": "X"},
    "ReLU": {"color": "#D55E00", "marker": "s"},
    "tanh": {"color": "#009E73", "marker": "^"},
    "He initialization": {"color": "#0072B2", "marker": "o"},
    "batch normalization": {"color": "#CC79A7", "marker": "P"},
    "residual connections": {"color": "#E69F00", "marker": "D"},
    "Adam": {"color": "#56B4E9", "marker": "v"},
    "layer-wise learning rates": {"color": "#7F7F7F", "marker": "<"},
}


def draw(found: dict[str, Any], title: str) -> Figure:
    """Draws gradient and update of each layer at the first step, and accuracy over training."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    figure.suptitle(f"One sick network, and each remedy alone\n{title}", fontsize=10)
    (gradient, update), (accuracy, bars) = figure.subplots(2, 2)
    for name, result in found.items():
        style = {**STYLES[name], "label": name, "markersize": 5}
        layers = range(1, len(result["gradient"]) + 1)
        gradient.plot(layers, result["gradient"], **style)
        update.plot(layers, result["update_ratio"], **style)
        epochs = range(1, len(result["accuracy"]) + 1)
        accuracy.plot(epochs, result["accuracy"], markevery=-(-len(epochs) // 10), **style)
    for axes, unit in (
        (gradient, "L2 norm of the gradient"),
        (update, "update relative to the kernel"),
    ):
        axes.set_yscale("log")
        axes.set_xlabel("layer, from the input to the output")
        axes.set_ylabel(unit)
    update.axhline(1e-3, color="#555555", linestyle=":", linewidth=1)
    update.annotate("about 0.001 is healthy", (1, 1.2e-3), fontsize=8, color="#555555")
    accuracy.set_xlabel("epoch")
    accuracy.set_ylabel("test accuracy, %")
    accuracy.set_ylim(0, 100)
    accuracy.xaxis.get_major_locator().set_params(integer=True)
    finish(
        gradient,
        "Gradient of each kernel at the first step\n(Adam and layer-wise rates leave it as it is)",
        legend=False,
    )
    finish(update, "What the first update does to each kernel\n", legend=False)
    finish(accuracy, "Accuracy", legend=False)
    _draw_bars(bars, found)
    return figure


def _draw_bars(axes: Any, found: dict[str, Any]) -> None:
    """Draws the final accuracy; the bar labels serve as the legend of all panels."""
    names = list(found)[::-1]
    values = [found[name]["accuracy"][-1] for name in names]
    axes.barh(names, values, color=[STYLES[name]["color"] for name in names], height=0.55, zorder=2)
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        style = {"linestyle": "", "markersize": 6, "clip_on": False}
        axes.plot(-3, i, **STYLES[name], **style)
        axes.annotate(f"{value:.2f} %", (value + 1, i), va="center", fontsize=9)
    axes.set_xlim(-6, 122)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("test accuracy after training, %")
    finish(axes, "What came of it", legend=False)

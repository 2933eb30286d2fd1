"""Draws the first layer's gradient and the accuracy over the depth."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.common.outcome import Results
from experiments.common.style import LABELS, STYLES, THEORY, finish


def draw(depths: list[int], results: Results, title: str) -> Figure:
    """Draws the gradient of the first layer over the depth, and the accuracy below it."""
    figure = Figure(figsize=(9, 8), layout="constrained")
    headline = "Deeper networks: gradient of the first layer, and accuracy"
    figure.suptitle(f"{headline}\n{title}", fontsize=10)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.6, 1])
    for name, result in results.items():
        style, label = STYLES[name], f"{LABELS[name]}: a factor of {result['factor']:.3f} per layer"
        gradients = np.array(result["gradient"], float)
        gradients[~(gradients > 0)] = np.nan  # a log axis cannot show zero
        upper.plot(depths, gradients, label=label, **style)
        _draw_theory(upper, name, depths, gradients, result)
        lower.plot(depths, 100 * np.array(result["accuracy"]), label=LABELS[name], **style)
    upper.set(yscale="log", ylabel="L2 norm of the gradient of the first kernel")
    finish(upper, "Gradient of the first layer at the first step")
    lower.set(xlabel="number of hidden layers", ylabel="test accuracy, %", ylim=(0, 100))
    finish(lower, "Accuracy after training")
    return figure


def _draw_theory(
    axes: Axes, name: str, depths: list[int], gradients: NDArray[np.float64], result: dict[str, Any]
) -> None:
    """Draws theory's line. Theory gives no absolute size: the line goes through the middle."""
    line = np.array(result["theory_gradient"])
    if not (np.isfinite(gradients).any() and line.all()):
        return
    level = np.exp(np.nanmean(np.log(gradients / line)))
    label = f"theory for {LABELS[name]}: {result['theory_factor']:.3f}"
    axes.plot(depths, level * line, label=label, **{**STYLES[name], **THEORY})

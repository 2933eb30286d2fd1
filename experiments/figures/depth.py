"""The figure of `experiments.depth`."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.common.style import LABELS, STYLES, THEORY, finish


def draw(depths: list[int], results: dict[str, dict[str, Any]], title: str) -> Figure:
    """Draws the gradient of the first layer over the depth, and the accuracy below it."""
    figure = Figure(figsize=(9, 8), layout="constrained")
    figure.suptitle(
        f"The deeper the network, the less reaches its first layer\n{title}", fontsize=10
    )
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.6, 1])
    for name, result in results.items():
        gradients, style = np.array(result["gradient"]), STYLES[name]
        label = f"{LABELS[name]}: a factor of {result['factor']:.3f} a layer"
        upper.plot(depths, np.where(gradients > 0, gradients, np.nan), label=label, **style)
        # Theory says how steep, not how high: its line goes through the middle of the points.
        line = np.log(result["theory"]) * np.array(depths)
        level = np.nanmean(np.log(np.where(gradients > 0, gradients, np.nan)) - line)
        theory = f"theory for {LABELS[name]}: {result['theory']:.3f}"
        upper.plot(depths, np.exp(line + level), label=theory, **{**style, **THEORY})
        accuracy = 100 * np.array(result["accuracy"])
        lower.plot(depths, accuracy, label=LABELS[name], **style)
    upper.set_yscale("log")
    upper.set_ylabel("L2 norm of the gradient of the first kernel")
    finish(upper, "Gradient of the first layer at the first step")
    lower.set_ylim(0, 100)
    lower.set_xlabel("number of hidden layers")
    lower.set_ylabel("test accuracy, %")
    finish(lower, "What training makes of it")
    return figure

"""Draws the first layer's gradient and the accuracy over the depth."""

import numpy as np
from matplotlib.figure import Figure

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
        line = np.array(result["theory_gradient"])
        if np.isfinite(gradients).any() and line.all():
            # Theory gives no absolute size: the line goes through the middle.
            line = np.exp(np.nanmean(np.log(gradients / line))) * line
            label = f"theory for {LABELS[name]}: {result['theory_factor']:.3f}"
            upper.plot(depths, line, label=label, **{**style, **THEORY})
        lower.plot(depths, 100 * np.array(result["accuracy"]), label=LABELS[name], **style)
    upper.set(yscale="log", ylabel="L2 norm of the gradient of the first kernel")
    finish(upper, "Gradient of the first layer at the first step")
    lower.set(xlabel="number of hidden layers", ylabel="test accuracy, %", ylim=(0, 100))
    finish(lower, "Accuracy after training")
    return figure

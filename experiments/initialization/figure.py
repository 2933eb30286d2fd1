"""Draws the factor per layer and the accuracy for each initialization."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.common.outcome import Results
from experiments.common.style import LABELS, STYLES, THEORY, finish
from experiments.initialization import FADING
from experiments.initialization.expected import NAMED
from vg_keras.theory import critical_weight_variance, mean_field

# Colors other than those of the activations.
STATES = {
    "healthy": ("#CC79A7", "", f"healthy: changes less than {FADING}-fold"),
    "no gradient": ("#999999", "..", "no gradient: zero at the first layer"),
    "vanishing": ("#56B4E9", "\\\\", f"vanishing: shrinks more than {FADING}-fold"),
    "exploding": ("#E69F00", "//", f"exploding: grows more than {FADING}-fold"),
    "NaN": ("#000000", "xx", "NaN: training ended in NaN"),
}


def draw(variances: list[float], results: Results, title: str) -> Figure:
    """Draws factor and accuracy over the variance, and the accuracy of named initializers."""
    figure = Figure(figsize=(12, 9), layout="constrained")
    figure.suptitle(f"The same network, different initial weights\n{title}", fontsize=10)
    left, right = figure.subfigures(1, 2, width_ratios=[1.2, 1])  # type: ignore[misc]
    factor, accuracy = left.subplots(2, 1, sharex=True, height_ratios=[1.5, 1])
    panels = right.subplots(len(results), 1, sharex=True)
    for panel, (activation, of) in zip(panels, results.items(), strict=True):
        _draw_factor(factor, activation, variances, [of[v]["factor"] for v in variances])
        reached = [100 * of[v]["accuracy"] for v in variances]
        accuracy.plot(variances, reached, label=LABELS[activation], **STYLES[activation])
        broken = [of[v]["state"] == "NaN" for v in variances]
        accuracy.plot(variances, np.where(broken, reached, np.nan), "kx", markersize=11, zorder=3)
        _draw_named(panel, of)
        finish(panel, f"{LABELS[activation]}: accuracy after training", legend=False)
    factor.axhline(1, color="#555555", linewidth=1)
    factor.set(yscale="log", ylabel="factor per layer (above 1: explodes, below 1: vanishes)")
    finish(factor, "Backpropagated signal at the first step (dashed: theory)")
    accuracy.set(xscale="log", xlabel="variance of a weight times the number of inputs")
    accuracy.set(ylabel="test accuracy, %", ylim=(0, 100))
    finish(accuracy, "Accuracy after training (black cross: ended in NaN)")
    panel.set_xlabel("test accuracy, %")
    bars = [Patch(facecolor=c, hatch=h, edgecolor="white", label=s) for c, h, s in STATES.values()]
    words = "Backpropagated signal across the layers at the first step"
    right.legend(handles=bars, title=words, loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _draw_factor(axes: Axes, activation: str, variances: list[float], factors: list[float]) -> None:
    style, label = STYLES[activation], LABELS[activation]
    axes.plot(variances, factors, label=label, **style, linestyle="")
    fine = np.geomspace(min(variances), max(variances), 60)
    theory = [mean_field(activation, v).factor_per_layer for v in fine]
    axes.plot(fine, theory, **{**style, **THEORY})
    critical = critical_weight_variance(activation)
    label = f"theory: factor 1 for {label} at variance {critical:.3g}"
    axes.axvline(critical, color=style["color"], linestyle=":", linewidth=1.2, label=label)


def _draw_named(axes: Axes, of: dict[Any, Any]) -> None:
    """Draws a bar for each named initializer."""
    for name in reversed(NAMED):
        value, state = 100 * of[name]["accuracy"], of[name]["state"]
        color, hatch, _ = STATES[state]
        axes.barh(name, value, 0.6, color=color, hatch=hatch, edgecolor="white", zorder=2)
        words = f"{value:.0f}%, {state}" + ", all units alike" * of[name]["all_units_alike"]
        axes.annotate(words, (value + 1.5, name), va="center", fontsize=8)
    axes.set(xlim=(0, 128), xticks=range(0, 101, 20))

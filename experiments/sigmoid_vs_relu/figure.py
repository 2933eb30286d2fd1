"""Draws the gradients of both networks by step and by depth, with loss and accuracy below."""

import dataclasses
import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.mlp import Settings, Trained
from experiments.common.mnist import Mnist
from experiments.common.style import LABELS, STYLES, finish
from experiments.sigmoid_vs_relu.expected import Networks, decades_lost_at_end, median
from vg_keras import figures, profile

_GRADIENT = "L2 norm of the gradient"


def draw(networks: Networks, settings: Settings, data: Mnist) -> Figure:
    """Draws the figure: gradients over steps side by side, gradients by depth, and the outcome."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(heading(data, settings, len(networks["sigmoid"])), fontsize=11)
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.15, 1])  # type: ignore[misc]
    by_step = upper.subplots(1, 2, sharey=True)
    for axes, (name, found) in zip(by_step, networks.items(), strict=True):
        _draw_steps(axes, found)
        accuracy = f"test accuracy {median(found, lambda n: n.test_accuracy):.1%}"
        finish(axes, f"{LABELS[name]}: {accuracy}, gradient {change(found)}", legend=False)
    by_step[1].set_ylabel("")
    by_step[1].legend(title="kernel of", fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    by_depth, loss, accuracy = lower.subplots(1, 3)
    _draw_depth(by_depth, networks)
    _draw_curves(loss, networks, "loss", "cross-entropy, nats", 1.0)
    _draw_curves(accuracy, networks, "accuracy", "accuracy, %", 100.0)
    accuracy.set_ylim(0, 100)
    return figure


def heading(data: Mnist, settings: Settings, seeds: int) -> str:
    """Returns the title: what is shown, and of which networks."""
    title = "How gradients flow through the same network with sigmoid and with ReLU"
    over = f"\nmedian and range of {seeds} seeds" if seeds > 1 else ""
    return f"{title}\n{data.name}; {settings}{over}"


def change(networks: list[Trained]) -> str:
    """Describes how the gradient changes toward the input at the end of training."""
    decades = median(networks, decades_lost_at_end)
    if not math.isfinite(decades):
        return "is lost or not finite"
    if abs(decades) < 1:
        return "changes less than 10-fold"
    return f"{'shrinks' if decades > 0 else 'grows'} {10 ** abs(decades):,.0f}-fold"


def _draw_steps(axes: Axes, networks: list[Trained]) -> None:
    first = networks[0]
    names = tuple(path.rpartition("/")[0].replace("_", " ") for path in first.kernels)
    norms = profile(first.training, "gradient_norm").only(first.kernels)
    figures.by_step(dataclasses.replace(norms, labels=names), axes)
    axes.set_ylabel(_GRADIENT)
    for line, path in zip(axes.lines, first.kernels, strict=True):
        _show_median(axes, line, [[r.gradients[path].norm for r in n.records] for n in networks])


def _show_median(axes: Axes, line: Any, values: Any) -> None:
    """Moves a line to the median over the seeds, and draws their range."""
    line.set_ydata(np.median(values, axis=0))
    if len(values) > 1:
        low, high = np.min(values, axis=0), np.max(values, axis=0)
        axes.fill_between(line.get_xdata(), low, high, color=line.get_color(), alpha=0.2, lw=0)


def _draw_depth(axes: Axes, networks: Networks) -> None:
    for name, found in networks.items():
        style = {**STYLES[name]}
        for which, line, fill in ((0, "--", "none"), (-1, "-", style["color"])):
            first, step = found[0], found[0].records[which].step
            style |= {"linestyle": line, "markerfacecolor": fill, "markersize": 4}
            style["label"] = f"{LABELS[name]}, step {step:,}"
            figures.by_depth(first.training, axes, step=step, **style)
            norms = [[n.records[which].gradients[k].norm for k in n.kernels] for n in found]
            _show_median(axes, axes.lines[-1], norms)
    finish(axes, "Gradient by depth", ylabel=_GRADIENT)


def _draw_curves(axes: Axes, networks: Networks, name: str, unit: str, factor: float) -> None:
    for activation, found in networks.items():
        for prefix, words, style in (("", "training", ":"), ("val_", "test", "-")):
            values = factor * np.array([network.history[prefix + name] for network in found])
            epochs = range(1, values.shape[1] + 1)
            marks = {"markersize": 4, "markevery": -(-len(epochs) // 10), **STYLES[activation]}
            label = f"{LABELS[activation]}, {words}"
            (line,) = axes.plot(epochs, values[0], style, label=label, **marks)
            _show_median(axes, line, values)
    finish(axes, name.capitalize(), xlabel="epoch", ylabel=unit)

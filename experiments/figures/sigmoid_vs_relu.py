"""The figure of `experiments.sigmoid_vs_relu`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.style import LABELS, STYLES, finish
from experiments.sigmoid_vs_relu import Networks, change

if TYPE_CHECKING:
    from experiments.common.mlp import Settings, Trained
    from experiments.common.mnist import Mnist


def draw(networks: Networks, settings: Settings, data: Mnist) -> Figure:
    """Draws the figure: gradients over steps side by side, gradients by depth, and the outcome."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    seeds = len(networks["sigmoid"])
    over = f"\nmedian and range of {seeds} seeds" if seeds > 1 else ""
    figure.suptitle(
        "How the gradient flows through one and the same network with sigmoid and with ReLU\n"
        f"{data.name}; {settings}{over}",
        fontsize=11,
    )
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.15, 1])  # type: ignore[misc]
    by_step = upper.subplots(1, 2, sharey=True)
    for axes, (name, found) in zip(by_step, networks.items(), strict=True):
        _draw_steps(axes, found)
        accuracy = np.median([network.test_accuracy for network in found])
        finish(axes, f"{LABELS[name]}: test accuracy {accuracy:.1%}, {change(found)}", False)
    by_step[1].set_ylabel("")
    by_step[1].legend(title="kernel of", fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    by_depth, loss, accuracy = lower.subplots(1, 3)
    _draw_depth(by_depth, networks)
    _draw_curves(loss, networks, "loss", "cross-entropy, nats", 1.0)
    _draw_curves(accuracy, networks, "accuracy", "accuracy, %", 100.0)
    accuracy.set_ylim(0, 100)
    return figure


def _draw_steps(axes: Axes, networks: list[Trained]) -> None:
    from vg_keras.figures.gradient_norm_by_step import gradient_norm_by_step
    from vg_keras.quantities import norm_to_plot

    first = networks[0]
    names = [path.rpartition("/")[0].replace("_", " ") for path in first.kernels]
    gradient_norm_by_step(first.training, axes, first.kernels, names)
    for line, path in zip(axes.lines, first.kernels, strict=True):
        norms = [[norm_to_plot(record.gradients[path]) for record in n.records] for n in networks]
        _draw_band(axes, line.get_xdata(), norms, line.get_color())
        line.set_ydata(np.median(norms, axis=0))


def _draw_band(axes: Axes, x: Any, values: Sequence[Sequence[float]], color: Any) -> None:
    if len(values) > 1:
        axes.fill_between(x, np.min(values, 0), np.max(values, 0), color=color, alpha=0.2, lw=0)


def _draw_depth(axes: Axes, networks: Networks) -> None:
    from vg_keras.figures.gradient_norm_by_depth import gradient_norm_by_depth
    from vg_keras.quantities import norm_to_plot

    for name, found in networks.items():
        style = STYLES[name]
        for which, line, fill in ((0, "--", "none"), (-1, "-", style["color"])):
            first, record = found[0], found[0].records[which]
            label = f"{LABELS[name]}, step {record.step:,}"
            gradient_norm_by_depth(
                first.training,
                axes,
                first.kernels,
                record.step,
                label=label,
                linestyle=line,
                markerfacecolor=fill,
                markersize=4,
                **style,
            )
            norms = [
                [norm_to_plot(n.records[which].gradients[k]) for k in n.kernels] for n in found
            ]
            axes.lines[-1].set_ydata(np.median(norms, axis=0))
            _draw_band(axes, axes.lines[-1].get_xdata(), norms, style["color"])
    finish(axes, "Gradient by depth")


def _draw_curves(axes: Axes, networks: Networks, name: str, unit: str, factor: float) -> None:
    for activation, found in networks.items():
        style = STYLES[activation]
        for prefix, words, line in (("", "training", ":"), ("val_", "test", "-")):
            values = factor * np.array([network.history[prefix + name] for network in found])
            epochs = range(1, values.shape[1] + 1)
            label = f"{LABELS[activation]}, {words}"
            every = -(-len(epochs) // 10)
            median = np.median(values, axis=0)
            axes.plot(epochs, median, line, label=label, markersize=4, markevery=every, **style)
            _draw_band(axes, epochs, values.tolist(), style["color"])
    axes.set_xlabel("epoch")
    axes.set_ylabel(unit)
    finish(axes, name.capitalize())

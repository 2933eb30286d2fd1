"""Draws the change of the output over the perturbed layer."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.outcome import Results
from experiments.common.style import LABELS, STYLES, THEORY, finish
from experiments.sensitivity.expected import AFTER, BEFORE


def draw(results: Results, size: float, title: str) -> Figure:
    """Draws the change of the output over the perturbed layer, before and after training."""
    figure = Figure(figsize=(11, 9), layout="constrained")
    headline = f"Change of the output when the weights of one layer are perturbed by {size:.0%}"
    figure.suptitle(f"{headline}\n{title}", fontsize=10)
    kinds = {
        "over_rms": ("the output", "root mean square"),
        "over_std": ("the differences between images", "standard deviation over images"),
    }
    grid = figure.subplots(2, 2, sharex=True, sharey="row")
    for row, (kind, (reference, measure)) in zip(grid, kinds.items(), strict=True):
        row[0].set_ylabel(f"change of the output /\nits {measure}")
        for axes, when in zip(row, (BEFORE, AFTER), strict=True):
            for name, result in results.items():
                factor = result["theory"] if (kind, when) == ("over_rms", BEFORE) else None
                _draw_changes(axes, name, result[when][kind], size, factor)
            finish(axes, f"{when.capitalize()}, relative to {reference}", yscale="log")
    depth = len(results["sigmoid"][BEFORE]["over_rms"][0]) - 1
    for axes in grid[-1]:
        axes.set_xticks(range(1, depth + 2), [*map(str, range(1, depth + 1)), "output"])
        axes.set_xlabel("perturbed layer")
    return figure


def _draw_changes(axes: Axes, name: str, changes: Any, size: float, factor: float | None) -> None:
    """Draws median and range over the seeds, and theory if its factor per layer is given."""
    style, layers = STYLES[name], np.arange(1, np.shape(changes)[1] + 1)
    axes.plot(layers, np.median(changes, axis=0), label=LABELS[name], markersize=4, **style)
    low, high = np.min(changes, axis=0), np.max(changes, axis=0)
    axes.fill_between(layers, low, high, color=style["color"], alpha=0.2, lw=0)
    if factor is not None:
        line = size * factor ** (layers[-1] - layers)  # the output layer's own factor is 1
        label = f"theory for {LABELS[name]}: a factor of {factor:.3f} per layer"
        axes.plot(layers, line, label=label, **{**style, **THEORY})

"""The figure of `experiments.sensitivity`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.style import LABELS, STYLES, THEORY, finish
from experiments.sensitivity import AFTER, BEFORE


def draw(results: dict[str, dict[str, Any]], size: float, title: str) -> Figure:
    """Draws how far the output moves over the disturbed layer."""
    figure = Figure(figsize=(11, 9), layout="constrained")
    figure.suptitle(
        f"How far the output moves when the weights of one layer are disturbed by {size:.0%}\n"
        f"{title}",
        fontsize=10,
    )
    grid = figure.subplots(2, 2, sharex=True, sharey="row")
    kinds = {
        "of_output": "change of the output, relative to\nits root mean square",
        "of_differences": "change of the output, relative to its\nstandard deviation over images",
    }
    for row, (kind, label) in zip(grid, kinds.items(), strict=True):
        for axes, when in zip(row, (BEFORE, AFTER), strict=True):
            for name, result in results.items():
                theory = kind == "of_output" and when == BEFORE
                _draw_moves(axes, name, result[when][kind])
                if theory:
                    _draw_theory(axes, name, size, result["theory"], len(result[when][kind][0]))
            axes.set_yscale("log")
            finish(axes, when.capitalize())
        row[0].set_ylabel(label)
    for axes in grid[-1]:
        depth = len(results["sigmoid"][BEFORE]["of_output"][0]) - 1
        axes.set_xticks(range(1, depth + 2), [*map(str, range(1, depth + 1)), "output"])
        axes.set_xlabel("disturbed layer")
    return figure


def _draw_moves(axes: Axes, name: str, moves: Sequence[Sequence[float]]) -> None:
    """Draws median and range over the draws."""
    style, layers = STYLES[name], range(1, len(moves[0]) + 1)
    axes.plot(layers, np.median(moves, axis=0), label=LABELS[name], markersize=4, **style)
    low, high = np.min(moves, axis=0), np.max(moves, axis=0)
    axes.fill_between(layers, low, high, color=style["color"], alpha=0.2, lw=0)


def _draw_theory(axes: Axes, name: str, size: float, factor: float, layers: int) -> None:
    """Draws theory's line downward from the output layer, whose own factor is 1."""
    line = size * factor ** np.arange(layers)[::-1]
    label = f"theory for {LABELS[name]}: {factor:.3f} a layer"
    axes.plot(range(1, layers + 1), line, label=label, **{**STYLES[name], **THEORY})

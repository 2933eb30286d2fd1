"""The figure of `experiments.nielsen`."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.common.style import STYLES, finish
from experiments.nielsen import MOMENTS, NORMS, RATIOS, by_moment

SHADES = ("#0072B2", "#009E73", "#E69F00", "#D55E00")
"""The color of each hidden layer."""


def draw(training: dict[int, NDArray[np.float64]], title: str) -> Figure:
    """Draws the speed of each layer over the epochs, and below it the ratio of last to first."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(
        "How fast the hidden layers of sigmoid networks learn\n"
        f"{title}; band and bars: 5 to 95 % of them",
        fontsize=11,
    )
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.5, 1])  # type: ignore[misc]
    by_depth = upper.subplots(1, len(training), sharey=True)
    for axes, (depth, norms) in zip(by_depth, training.items(), strict=True):
        _draw_speeds(axes, norms, NORMS[depth])
        finish(axes, f"Speed of learning: {depth} hidden layers", legend=False)
    by_depth[0].set_ylabel("L2 norm of the gradient of the biases")
    by_depth[0].set_yscale("log")
    by_depth[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    _draw_ratios(lower.subplots(), training)
    return figure


def _draw_speeds(axes: Axes, norms: NDArray[np.float64], published: list[float]) -> None:
    epochs = np.arange(norms.shape[1])
    low, median, high = np.percentile(norms, (5, 50, 95), axis=0)
    for i, color in zip(range(norms.shape[2]), SHADES, strict=False):
        axes.plot(epochs, median[:, i], color=color, label=f"hidden layer {i + 1}")
        axes.fill_between(epochs, low[:, i], high[:, i], color=color, alpha=0.15, linewidth=0)
    zeros = np.zeros(len(published))
    axes.plot(zeros, published, "kx", label="the book's network", clip_on=False, zorder=5)
    axes.set_xlabel("epoch")


def _draw_ratios(axes: Axes, training: dict[int, NDArray[np.float64]]) -> None:
    labels: list[str] = []
    for depth, norms in training.items():
        for moment, ratios, book in zip(
            MOMENTS, by_moment(norms).values(), RATIOS[depth], strict=True
        ):
            low, median, high = np.percentile(ratios, (5, 50, 95))
            at, only_once = len(labels), not labels
            axes.errorbar(
                at,
                median,
                [[median - low], [high - median]],
                capsize=4,
                label="ours, median" if only_once else None,
                **STYLES["sigmoid"],
            )
            axes.plot(
                at + 0.2, book, "kx", label="the book's network" if only_once else None, zorder=5
            )
            labels.append(f"{depth} layers\n{moment}")
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("last / first")
    finish(axes, "How much faster the last hidden layer learns than the first")

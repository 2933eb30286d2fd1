"""Draws how fast each hidden layer learns over the epochs, and the ratio of last to first."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.style import STYLES, finish
from experiments.nielsen.expected import MOMENTS, NORMS, RATIOS, Norms, by_moment

LAYER_COLORS = ("#0072B2", "#009E73", "#E69F00", "#D55E00")


def draw(training: dict[int, Norms], title: str) -> Figure:
    """Draws the speed of each layer over the epochs, and below it the ratio of last to first."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(
        "How fast each hidden layer of a sigmoid network learns\n"
        f"{title}: median, and 5th to 95th percentile",
        fontsize=11,
    )
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.5, 1])  # type: ignore[misc]
    by_depth = upper.subplots(1, len(training), sharey=True)
    for axes, (depth, norms) in zip(by_depth, training.items(), strict=True):
        _draw_speeds(axes, norms, NORMS[depth])
        finish(axes, f"Speed of learning: {depth} hidden layers", legend=False)
    by_depth[0].set_ylabel("speed of learning\n(L2 norm of the gradient of the biases)")
    by_depth[0].set_yscale("log")
    by_depth[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    _draw_ratios(lower.subplots(), training)
    return figure


def _draw_speeds(axes: Axes, norms: Norms, book: list[float]) -> None:
    epochs = np.arange(norms.shape[1])
    low, median, high = np.percentile(norms, (5, 50, 95), axis=0)
    for i, color in zip(range(norms.shape[2]), LAYER_COLORS, strict=False):
        axes.plot(epochs, median[:, i], color=color, label=f"hidden layer {i + 1}")
        axes.fill_between(epochs, low[:, i], high[:, i], color=color, alpha=0.15, linewidth=0)
    axes.plot(np.zeros(len(book)), book, "kx", label="the book's network", clip_on=False, zorder=5)
    axes.set_xlabel("epoch")


def _draw_ratios(axes: Axes, training: dict[int, Norms]) -> None:
    ours = [ratios for norms in training.values() for ratios in by_moment(norms).values()]
    book = [ratio for depth in training for ratio in RATIOS[depth]]
    labels = [f"{depth} layers\n{moment}" for depth in training for moment in MOMENTS]
    low, median, high = np.percentile(ours, (5, 50, 95), axis=1)
    at, style = np.arange(len(labels)), STYLES["sigmoid"]
    bars = [median - low, high - median]
    axes.errorbar(at, median, bars, linestyle="", capsize=4, label="our networks", **style)
    axes.plot(at + 0.2, book, "kx", label="the book's network", zorder=5)
    axes.set_xticks(at, labels, fontsize=8)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("speed of the last / first")
    finish(axes, "How many times as fast the last hidden layer learns as the first")

"""Draws how fast each hidden layer learns over the epochs, and the ratio of last to first."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.style import STYLES, finish
from experiments.nielsen.expected import MOMENTS, NORMS, RATIOS

LAYER_COLORS = ("#0072B2", "#009E73", "#E69F00", "#D55E00")
# Style of the network in the book.
HIS: dict[str, Any] = {"marker": "x", "color": "k", "linestyle": "", "zorder": 5}
HIS["label"] = "Nielsen's network"


def draw(numbers: dict[int, dict[str, Any]], title: str) -> Figure:
    """Draws what results.json contains: the speed of each layer, and the ratio of last to first."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(
        "How fast each hidden layer of a sigmoid network learns, as in\n"
        "Michael Nielsen, Neural Networks and Deep Learning, chapter 5\n"
        f"{title}: median, and 5th to 95th percentile",
        fontsize=11,
    )
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.5, 1])  # type: ignore[misc]
    by_depth = upper.subplots(1, len(numbers), sharey=True)
    for axes, (depth, of_depth) in zip(by_depth, numbers.items(), strict=True):
        _draw_speeds(axes, of_depth, NORMS[depth])
        finish(axes, f"Speed of learning: {depth} hidden layers", legend=False)
    label = "speed of learning\n(L2 norm of the gradient of the biases)"
    by_depth[0].set(yscale="log", ylabel=label)
    by_depth[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    _draw_ratios(lower.subplots(), numbers)
    return figure


def _draw_speeds(axes: Axes, of_depth: dict[str, Any], his: list[float]) -> None:
    low, median, high = (np.transpose(norms) for norms in of_depth["training_norms"].values())
    for i, color in zip(range(len(median)), LAYER_COLORS, strict=False):
        axes.plot(of_depth["epochs"], median[i], color=color, label=f"hidden layer {i + 1}")
        axes.fill_between(of_depth["epochs"], low[i], high[i], color=color, alpha=0.15, linewidth=0)
    axes.plot(np.zeros(len(his)), his, clip_on=False, **HIS)
    axes.set_xlabel("epoch")


def _draw_ratios(axes: Axes, numbers: dict[int, dict[str, Any]]) -> None:
    ours = [ratios for of_depth in numbers.values() for ratios in of_depth["ratios"].values()]
    his = [ratio for depth in numbers for ratio in RATIOS[depth]]
    labels = [f"{depth} layers\n{moment}" for depth in numbers for moment in MOMENTS]
    low, median, high = np.percentile(ours, (5, 50, 95), axis=1)
    at, style = np.arange(len(labels)), STYLES["sigmoid"]
    bars = [median - low, high - median]
    axes.errorbar(at, median, bars, linestyle="", capsize=4, label="our networks", **style)
    axes.plot(at + 0.2, his, **HIS)
    axes.set_xticks(at, labels, fontsize=8)
    axes.set(yscale="log", ylabel="speed of the last / first")
    axes.yaxis.set_major_formatter("{x:g}")
    finish(axes, "How many times as fast the last hidden layer learns as the first")

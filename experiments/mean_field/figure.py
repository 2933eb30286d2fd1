"""Draws measured factors and signals against theory."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.outcome import Results
from experiments.common.style import LABELS, STYLES, THEORY, finish

# Pairs drawn layer by layer; of two with the same activation, one has hollow markers.
NOT_FILLED = ("ReLU, Glorot", "tanh, standard")
BY_LAYER = ("ReLU, He", "GELU, He", "tanh, Glorot", *NOT_FILLED, "sigmoid, Glorot")

HOLLOW: dict[str, Any] = {"markersize": 9, "fillstyle": "none", "alpha": 0.6}


def draw(results: Results, title: str) -> Figure:
    """Draws measurements against theory: all pairs, and some of them layer by layer."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    heading = "Backpropagated signal at the first training step: mean-field theory and measurement"
    figure.suptitle(f"{heading}\n{title}; Gaussian inputs, random labels", fontsize=11)
    axes = figure.subplot_mosaic([["pairs", "diagonal"], ["pairs", "layers"]])
    _draw_pairs(axes["pairs"], results)
    _draw_diagonal(axes["diagonal"], results)
    _draw_layers(axes["layers"], results)
    return figure


def _draw_pairs(axes: Axes, results: Results) -> None:
    names = sorted(results, key=lambda name: results[name]["sqrt_chi"])
    for row, name in enumerate(names):
        style = STYLES[results[name]["activation"]] | {"linestyle": ""}
        axes.plot(results[name]["fixed_factor"], row, **style)
        axes.plot(results[name]["factor"], row, **style, **HOLLOW)
    theory = [results[name]["sqrt_chi"] for name in names]
    axes.plot(theory, range(len(names)), "|k", markersize=16, label="theory: sqrt(chi)")
    axes.plot([], [], "ok", label="measured at the fixed point")
    axes.plot([], [], "ok", label="measured with inputs of variance 1", **HOLLOW)
    axes.axvspan(0.18, 1, color="#0072B2", alpha=0.07, lw=0)
    axes.axvspan(1, 2.2, color="#D55E00", alpha=0.1, lw=0)
    axes.text(0.98, len(names) - 0.3, "signal vanishes", ha="right", color="#0072B2")
    axes.text(1.03, len(names) - 0.3, "signal explodes", color="#D55E00")
    ticks = [0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0]
    axes.set(xscale="log", xlim=(0.18, 2.2), ylim=(-0.7, len(names) + 0.6))
    axes.set_xlabel("factor by which each layer multiplies the signal")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(names)), names)
    finish(axes, "All pairs of activation and initializer", legend=False)
    axes.legend(fontsize=8, loc="lower right")


def _draw_diagonal(axes: Axes, results: Results) -> None:
    for activation in dict.fromkeys(one["activation"] for one in results.values()):
        mine = [one for one in results.values() if one["activation"] == activation]
        x, y = [one["sqrt_chi"] for one in mine], [one["fixed_factor"] for one in mine]
        axes.plot(x, y, linestyle="", label=LABELS[activation], **STYLES[activation])
    axes.axline((0, 0), slope=1, color="#444444", linewidth=0.8, zorder=0)
    axes.set(xlabel="factor per layer in theory, sqrt(chi)", ylabel="measured factor per layer")
    finish(axes, "At the fixed point: measured against theory")


def _draw_layers(axes: Axes, results: Results) -> None:
    for name in BY_LAYER:
        style, signals = STYLES[results[name]["activation"]], np.array(results[name]["signal"])
        values = (signals / signals[:, -1:]).mean(axis=0)
        x, fill = np.arange(len(values)) + 1, "none" if name in NOT_FILLED else "full"
        axes.plot(x, values, label=name, linewidth=1, fillstyle=fill, **style)
        axes.plot(x, results[name]["theory_signal"], **{**style, **THEORY, "color": "black"})
    axes.set(yscale="log", xticks=x, xlabel="hidden layer, from input to output")
    axes.set_ylabel("RMS of dL/d(output), last layer = 1")
    finish(axes, "Signal with inputs of variance 1 (dashed: theory)")

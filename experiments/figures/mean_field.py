"""The figure of `experiments.mean_field`."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.style import LABELS, STYLES, THEORY, finish
from experiments.mean_field import ACTIVATIONS, PAIRS, Results

SHOWN = {
    "ReLU, He": "full",
    "GELU, He": "full",
    "tanh, Glorot": "full",
    "ReLU, Glorot": "none",
    "tanh, standard": "none",
    "sigmoid, Glorot": "full",
}
"""Pairs drawn layer by layer; of two with the same activation, one has hollow markers."""


HOLLOW: dict[str, Any] = {"markersize": 9, "fillstyle": "none", "alpha": 0.6}


def draw(results: Results, title: str) -> Figure:
    """Draws measurements against theory: all pairs, and some of them layer by layer."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(
        f"What theory foresees of the signal from activation and initializer\n{title}",
        fontsize=11,
    )
    axes = figure.subplot_mosaic([["pairs", "diagonal"], ["pairs", "layers"]])
    _draw_pairs(axes["pairs"], results)
    _draw_diagonal(axes["diagonal"], results)
    for name in SHOWN:
        _draw_signal(axes["layers"], name, results[name])
    axes["layers"].set_yscale("log")
    axes["layers"].set_xticks(range(1, len(results[next(iter(SHOWN))]["usual_signal"]) + 1))
    axes["layers"].set_xlabel("hidden layer, from the input to the output")
    axes["layers"].set_ylabel("RMS of dL/d(output), last layer = 1")
    finish(axes["layers"], "Inputs of variance 1, layer by layer (dashed: theory)")
    return figure


def _style(name: str) -> dict[str, Any]:
    """Returns the style of the activation of a pair."""
    return STYLES[next(layers.activation for layers in PAIRS if str(layers) == name)]


def _draw_pairs(axes: Axes, results: Results) -> None:
    names = sorted(results, key=lambda name: results[name]["sqrt_chi"])
    rows = range(len(names))
    for row, name in zip(rows, names, strict=True):
        axes.plot(results[name]["factor"], row, linestyle="", **_style(name))
        axes.plot(results[name]["usual_factor"], row, linestyle="", **_style(name), **HOLLOW)
    theory = [results[name]["sqrt_chi"] for name in names]
    axes.plot(theory, rows, "|k", markersize=16, label="theory: sqrt(chi) at the fixed point")
    labels: dict[str, Any] = {"color": "#444444", "marker": "o", "linestyle": ""}
    axes.plot([], [], label="measured at the fixed point", **labels)
    axes.plot([], [], label="measured with inputs of variance 1", **labels, **HOLLOW)
    axes.set_yticks(rows, names)
    axes.set_xscale("log")
    ticks = [0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.18, 2.2)
    axes.axvspan(0.18, 1, color="#0072B2", alpha=0.07, lw=0)
    axes.axvspan(1, 2.2, color="#D55E00", alpha=0.1, lw=0)
    top = len(names) - 0.3
    axes.text(0.98, top, "vanishes", ha="right", color="#0072B2")
    axes.text(1.03, top, "explodes", color="#D55E00")
    axes.set_ylim(-0.7, len(names) + 0.6)
    axes.set_xlabel("factor by which a layer changes the signal")
    finish(axes, "All pairs", legend=False)
    axes.legend(fontsize=8, loc="lower right")


def _draw_diagonal(axes: Axes, results: Results) -> None:
    for activation in ACTIVATIONS:
        mine = [results[str(layers)] for layers in PAIRS if layers.activation == activation]
        x, y = [r["sqrt_chi"] for r in mine], [r["factor"] for r in mine]
        axes.plot(x, y, linestyle="", label=LABELS[activation], **STYLES[activation])
    axes.axline((0, 0), slope=1, color="#444444", linewidth=0.8, zorder=0)
    axes.set_xlabel("sqrt(chi)")
    axes.set_ylabel("measured factor")
    finish(axes, "Measured at the fixed point against theory")


def _draw_signal(axes: Axes, name: str, result: dict[str, Any]) -> None:
    signals = np.array(result["signals"][1])
    values = (signals / signals[:, -1:]).mean(axis=0)
    x = np.arange(len(values)) + 1
    style = _style(name)
    axes.plot(x, values, label=name, linewidth=1, fillstyle=SHOWN[name], **style)
    axes.plot(x, result["usual_signal"], **{**style, **THEORY, "color": "black"})

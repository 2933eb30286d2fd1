"""The figure of `experiments.initialization`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.style import LABELS, STYLES, THEORY, finish
from experiments.initialization import ACTIVATIONS, NAMED

STATES = {
    "NaN": {"color": "#000000", "hatch": "xx"},
    "no gradient": {"color": "#999999", "hatch": ".."},
    "vanishing": {"color": "#0072B2", "hatch": ""},
    "healthy": {"color": "#009E73", "hatch": ""},
    "exploding": {"color": "#D55E00", "hatch": "//"},
}


def draw(found: Mapping[str, Mapping[Any, Any]], title: str) -> Figure:
    """Draws factor over variance with theory's line, the accuracy, and named initializers."""
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    figure.suptitle(
        f"What the initial weights make of one and the same network\n{title}", fontsize=10
    )
    left, right = figure.subfigures(1, 2, width_ratios=[1.35, 1])  # type: ignore[misc]
    factor, accuracy = left.subplots(2, 1, sharex=True, height_ratios=[1.5, 1])
    for activation, results in found.items():
        _draw_variances(factor, accuracy, activation, results)
    _draw_critical(factor)
    accuracy.set_xscale("log")
    accuracy.set_ylim(0, 100)
    accuracy.set_xlabel("variance of a weight times the number of inputs")
    accuracy.set_ylabel("test accuracy, %")
    finish(accuracy, "What training makes of it (crosses: it ended in NaN)", legend=False)
    for axes, (activation, results) in zip(
        right.subplots(len(found), 1, sharex=True), found.items(), strict=True
    ):
        _draw_named(axes, activation, results)
    axes.set_xlabel("test accuracy, %")
    return figure


def _draw_variances(
    factor: Axes, accuracy: Axes, activation: str, results: Mapping[Any, Any]
) -> None:
    from vg_keras.theory import mean_field

    variances = [name for name in results if isinstance(name, float)]
    style = STYLES[activation]
    measured = [results[v]["factor"] for v in variances]
    factor.plot(variances, measured, label=LABELS[activation], **{**style, "linestyle": ""})
    fine = np.geomspace(min(variances), max(variances), 60)
    theory = [mean_field(activation, v).factor_per_layer for v in fine]
    factor.plot(fine, theory, **{**style, **THEORY})
    reached = 100 * np.array([results[v]["accuracy"] for v in variances])
    accuracy.plot(variances, reached, **style)
    for variance, height in zip(variances, reached, strict=True):
        if results[variance]["state"] == "NaN":
            accuracy.plot(variance, height, "x", color="black", markersize=11, zorder=3)


def _draw_critical(axes: Axes) -> None:
    from vg_keras.theory import critical_weight_variance

    axes.axhline(1, color="#555555", linewidth=1)
    axes.set_yscale("log")
    for activation in ACTIVATIONS:
        critical = critical_weight_variance(activation)
        axes.axvline(critical, color=STYLES[activation]["color"], linestyle=":", linewidth=1.2)
        text = f"{LABELS[activation]}: {critical:.3g}"
        axes.annotate(
            text,
            (critical, 0.02),
            xycoords=("data", "axes fraction"),
            rotation=90,
            fontsize=8,
            ha="right",
            color=STYLES[activation]["color"],
        )
    for height, words, align in ((1.15, "explodes", "bottom"), (0.87, "vanishes", "top")):
        place = (0.02, height)
        axes.annotate(words, place, xycoords=("axes fraction", "data"), va=align, fontsize=9)
    axes.set_ylabel("factor per layer of the backpropagated signal")
    axes.plot([], [], color="#555555", label="theory", **THEORY)
    axes.plot([], [], color="#555555", linestyle=":", label="critical variance in theory")
    finish(axes, "At the first step: points measured, lines theory")


def _draw_named(axes: Axes, activation: str, results: Mapping[Any, Any]) -> None:
    names = list(NAMED)[::-1]
    states = [results[name]["state"] for name in names]
    values = [100 * results[name]["accuracy"] for name in names]
    bars = axes.barh(names, values, height=0.6, zorder=2)
    for bar, name, how, value in zip(bars, names, states, values, strict=True):
        bar.set(**STATES[how], edgecolor="white")
        words = "all units alike" if name.startswith("constant") else how
        axes.annotate(
            f"{value:.0f} %, {words}", (value + 1.5, bar.get_y() + 0.3), va="center", fontsize=8
        )
    axes.set_xlim(0, 135)
    axes.set_xticks(range(0, 101, 20))
    finish(axes, f"{LABELS[activation]}: accuracy, signal at the start", legend=False)

"""The figure of `experiments.activations`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from experiments.common.style import LABELS, STYLES, THEORY, finish


def draw(results: dict[str, dict[str, Any]], title: str) -> Figure:
    """Draws span and backpropagated signal over depth, above histograms of some layers."""
    figure = Figure(figsize=(11, 10), layout="constrained")
    figure.suptitle(
        "How far apart each layer leaves the outputs for different images, and what signal comes "
        f"back\n{title}",
        fontsize=10,
    )
    upper, lower = figure.subfigures(2, 1, height_ratios=[1, 1.15])  # type: ignore[misc]
    _draw_depths(upper, results)
    _draw_histograms(lower, results)
    return figure


def _draw_depths(figure: SubFigure, results: dict[str, dict[str, Any]]) -> None:
    forward, backward = figure.subplots(1, 2, sharey=True)
    for name, result in results.items():
        spans, gradients = (np.median(result[key], axis=0) for key in ("spans", "gradients"))
        style = {"markersize": 4, **STYLES[name]}
        label = f"{LABELS[name]}: {result['forward']:.3f} a layer"
        forward.plot(range(len(spans)), spans / spans[0], label=label, **style)
        label = f"{LABELS[name]}: {result['backward']:.3f} a layer"
        layers = range(1, len(spans))
        backward.plot(layers, gradients / gradients[-1], label=label, **style)
    _draw_theory(forward, results["sigmoid"], 1)
    _draw_theory(backward, results["sigmoid"], -1)
    forward.set_ylabel("standard deviation of a unit over the\nimages, relative to that of a pixel")
    backward.set_ylabel("RMS of dL/d(output),\nrelative to the last hidden layer")
    forward.set_xlabel("hidden layer (0: the images)")
    backward.set_xlabel("hidden layer")
    for axes, text in ((forward, "How far the images lie apart"), (backward, "What comes back")):
        axes.set_yscale("log")
        axes.tick_params(labelleft=True)
        finish(axes, text, legend=False)
        axes.legend(fontsize=7.5, loc="lower left" if axes is forward else "lower right")


def _draw_theory(axes: Axes, result: Mapping[str, Any], direction: int) -> None:
    """Draws theory's line from the first layer forward, or from the last one backward."""
    layers = np.arange(1, len(result["spans"][0]))
    spans = np.median(result["spans"], axis=0)
    begin, level = (layers[0], spans[1] / spans[0]) if direction > 0 else (layers[-1], 1.0)
    line = level * result["theory"] ** (direction * (layers - begin))
    label = f"theory for sigmoid: {result['theory']:.3f}"
    axes.plot(layers, line, label=label, **{**STYLES["sigmoid"], **THEORY})


def _draw_histograms(figure: SubFigure, results: dict[str, dict[str, Any]]) -> None:
    depths = list(results["sigmoid"]["histograms"])
    figure.suptitle(
        "Outputs of some layers. Pale: of all units. Dark: how far the outputs of one and the same "
        "unit on different images lie apart, around the mean",
        fontsize=10,
    )
    grid = figure.subplots(len(depths), len(results), sharex="col", squeeze=False)
    for column, (name, result) in zip(grid.T, results.items(), strict=True):
        for axes, depth in zip(column, depths, strict=True):
            _draw_histogram(axes, result["histograms"][depth], STYLES[name]["color"])
        column[0].set_title(LABELS[name], fontsize=10)
        column[-1].tick_params(axis="x", labelsize=7)
    for axes, depth in zip(grid[:, 0], depths, strict=True):
        axes.set_ylabel(f"layer {depth}", fontsize=9)


def _draw_histogram(axes: Axes, histogram: Mapping[str, Any], color: str) -> None:
    for kind, alpha in (("outputs", 0.3), ("deviations", 0.9)):
        heights = np.array(histogram[kind])
        heights = heights / max(heights.max(), 1)
        axes.stairs(heights, histogram["bins"], fill=True, color=color, alpha=alpha)
    axes.set_yticks([])
    axes.set_ylim(0, 1.05)

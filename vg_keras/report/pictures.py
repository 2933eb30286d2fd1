"""The pictures of a report, each for a light and for a dark page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vg_keras import figures
from vg_keras.figures.drawing import data_uri, line_of_run
from vg_keras.layer_quantities import LAYER_QUANTITIES
from vg_keras.logged_runs import LoggedRun
from vg_keras.profiles import Profile

_WIDTH, _DOTS_PER_INCH = 10.5, 144
"""In inches of 100 pixels of the page. It is printed at 144 dots per inch or more."""

_BY_DEPTH = (
    "gradients",
    "update_ratio",
    "activations",
    "saturated_units",
    "dead_units",
)
"""The quantities that are drawn by depth, beside the gradients at the outputs of the layers."""

_MOST_MARKERS = 40

_TEXT, _LINES = ("#1f2328", "#e6e8eb"), ("#d0d7de", "#4a5159")


@dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        title: What it shows.
        explanation: How to read it.
        light: Its address on a light page: a PNG as a data URI.
        dark: The same on a dark page.
    """

    title: str
    explanation: str
    light: str
    dark: str


def pictures(runs: Sequence[LoggedRun]) -> list[Picture]:
    """Draws the pictures of training runs. One without records is in none."""
    found = [_flow(runs), _by_depth(runs), _loss(runs)]
    return [picture for picture in found if picture is not None]


def _flow(runs: Sequence[LoggedRun]) -> Picture | None:
    profiles = _profiles(runs, "activation_gradient_norm")
    where = "at each layer's output" if profiles else "of each kernel"
    profiles = profiles or _profiles(runs, "gradient_norm")
    if not profiles:
        return None
    return _picture(
        "Gradient of every layer over the training run",
        f"L2 norm of the gradient {where}, one column for each record; the first layer is at the "
        "top. One color from top to bottom is healthy. Darker toward the top: the gradient "
        "vanishes. Lighter: it explodes.",
        lambda: _draw_flow(profiles),
    )


def _draw_flow(profiles: Mapping[str, Profile]) -> Figure:
    layers = max(len(profile.paths) for profile in profiles.values())
    height = min(max(1.2 + 0.16 * layers, 2.6), 5.0) if len(profiles) <= 2 else 2.4
    figure, axes = _grid(len(profiles), 2, height)
    figures.gradient_flow(profiles, axes)
    return figure


def _grid(number: int, columns: int, height: float, legend: float = 0) -> tuple[Figure, list[Axes]]:
    """Returns a figure with axes in rows.

    Args:
        number: The number of axes.
        columns: The most in a row.
        height: The height of a row, in inches.
        legend: The height of a legend below them, in inches.
    """
    columns = min(number, columns)
    rows = -(-number // columns)
    figure = Figure((_WIDTH, height * rows + legend), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flatten())
    for empty in axes[number:]:
        empty.remove()
    return figure, axes[:number]


def _by_depth(runs: Sequence[LoggedRun]) -> Picture | None:
    names = ("activation_gradients", *_BY_DEPTH)
    found = {name: profiles for name in names if (profiles := _profiles(runs, name))}
    if not found:
        return None
    return _picture(
        "Every layer at the last record",
        "From the input on the left to the output on the right. The gradients of a healthy network "
        "are of similar size in all layers, and its updates about 1e-3 of the weights.",
        lambda: _draw_by_depth(found, [run.name for run in runs]),
    )


def _draw_by_depth(found: Mapping[str, Mapping[str, Profile]], runs: Sequence[str]) -> Figure:
    figure, axes = _grid(len(found), 3, 2.6, 0.3)
    for ax, (name, profiles) in zip(axes, found.items(), strict=True):
        has_markers = max(len(profile.paths) for profile in profiles.values()) <= _MOST_MARKERS
        figures.by_depth(profiles, ax, markersize=4 if has_markers else 0)
        for line, run in zip(ax.get_lines(), profiles, strict=True):
            line.set(**line_of_run(runs.index(run), ax))  # the same in every picture
        ax.set_title(LAYER_QUANTITIES[name].label, fontsize="medium")
        ax.set_ylabel("")
        ax.set_xlabel("layer, from the input", fontsize="small")
        if LAYER_QUANTITIES[name].scale == "fraction":
            ax.set_ylim(-0.03, 1.03)
    if len(runs) > 1:
        handles = {str(line.get_label()): line for ax in axes for line in ax.get_lines()}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    return figure


def _loss(runs: Sequence[LoggedRun]) -> Picture | None:
    profiles = {run.name: _loss_profile(run) for run in runs if run.losses}
    if not profiles:
        return None
    return _picture(
        "Loss of the recorded batches",
        "The loss that was differentiated, of one batch each, with penalties.",
        lambda: _draw_loss(profiles, [run.name for run in runs]),
    )


def _draw_loss(profiles: Mapping[str, Profile], runs: Sequence[str]) -> Figure:
    figure = Figure((_WIDTH, 3), layout="constrained")
    axes = figure.subplots()
    for run, profile in profiles.items():
        style = line_of_run(runs.index(run), axes) | {"marker": ""}
        figures.loss({run: profile}, axes, **style)
    if len(runs) > 1:
        axes.legend()
    return figure


def _loss_profile(run: LoggedRun) -> Profile:
    steps, losses = zip(*run.losses, strict=True)
    values = np.array(losses, np.float64)[:, None]
    values[~np.isfinite(values)] = np.nan
    return Profile("loss", np.array(steps), ("",), values, np.ones(values.shape, bool))


def _profiles(runs: Sequence[LoggedRun], name: str) -> dict[str, Profile]:
    return {run.name: run.table.profile(name) for run in runs if name in run.table.quantities}


def _picture(title: str, explanation: str, draw: Callable[[], Figure]) -> Picture:
    light, dark = (_encoded(draw, text, lines) for text, lines in zip(_TEXT, _LINES, strict=True))
    return Picture(title, explanation, light, dark)


def _encoded(draw: Callable[[], Figure], text: str, lines: str) -> str:
    """Draws a figure on a transparent background, and returns it as a data URI."""
    background = "white" if text == _TEXT[0] else "black"
    style: Any = {
        "axes.edgecolor": lines,
        "axes.facecolor": background,  # tells figures which colors can be seen
        "axes.grid": True,
        "axes.labelcolor": text,
        "axes.titlecolor": text,
        "axes.titlesize": "medium",
        "font.size": 9,
        "grid.color": lines,
        "grid.alpha": 0.5,
        "legend.frameon": False,
        "legend.labelcolor": text,
        "text.color": text,
        "text.usetex": False,
        "xtick.color": text,
        "ytick.color": text,
    }
    with mpl.rc_context(style):
        return data_uri(draw(), dpi=_DOTS_PER_INCH, transparent=True)

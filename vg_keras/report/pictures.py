"""The pictures of a report, each for a light and for a dark page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vg_keras import figures
from vg_keras.figures.by_depth import draw_by_depth
from vg_keras.figures.drawing import add_legend_of_runs, data_uri, legend_label
from vg_keras.figures.inputs import Drawn
from vg_keras.figures.loss import draw_loss
from vg_keras.layer_quantities import LAYER_QUANTITIES
from vg_keras.logged_runs import LoggedRun
from vg_keras.printable import capitalized, shortened_apart
from vg_keras.profiles import Profile

_WIDTH, _DOTS_PER_INCH = 10.5, 144
"""In inches of 100 pixels of the page. It is printed at 144 dots per inch or more."""

_FLOW = {
    "activation_gradient_norm": "at each layer's output",
    "gradient_norm": "of each kernel",
}
"""The quantity of the map, and of what it is: the first one that all training runs recorded."""

_BY_DEPTH = (
    *("activation_gradients", "gradients", "update_ratio"),
    *("activations", "saturated_units", "dead_units"),
)
"""The quantities that are drawn by depth."""

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
    """Draws the pictures of training runs. Runs without records are skipped."""
    names = shortened_apart([run.name for run in runs])
    runs = [dataclasses.replace(run, name=name) for run, name in zip(runs, names, strict=True)]
    found = [_flow(runs), _by_depth(runs), _loss(runs)]
    return [picture for picture in found if picture is not None]


def _flow(runs: Sequence[LoggedRun]) -> Picture | None:
    names = [name for name in _FLOW if any(name in run.table.quantities for run in runs)]
    if not names:
        return None
    name = next((name for name in names if all(name in r.table.quantities for r in runs)), names[0])
    found = _profiles(runs, name)
    return _picture(
        "Gradient of every layer over the training run",
        f"L2 norm of the gradient {_FLOW[name]}, one column for each record; the first layer is at "
        "the top. One color from top to bottom is healthy. Darker toward the top: the gradient "
        "vanishes. Lighter: it explodes.",
        _without(runs, found),
        lambda: _draw_flow({one.name: one.profile for one in found}),
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
    found = {
        name: [
            Drawn(run.name, run.last_profile(name), number)
            for number, run in enumerate(runs)
            if name in run.last_recorded
        ]
        for name in _BY_DEPTH
    }
    found = {name: of_name for name, of_name in found.items() if of_name}
    if not found:
        return None
    missing = [
        f"{capitalized(LAYER_QUANTITIES[name].label)}: {lacking}"
        for name, of_name in found.items()
        if (lacking := _without(runs, of_name))
    ]
    if any(_has_gap(one.profile) for of_name in found.values() for one in of_name):
        missing.append("A point is missing where a value is zero, not finite, or not recorded.")
    return _picture(
        "Every layer at the last record",
        "From the input on the left to the output on the right. The gradients of a healthy network "
        "are of similar size in all layers, and its updates about 1e-3 of the weights.",
        " ".join(missing),
        lambda: _draw_by_depth(found, len(runs)),
    )


def _has_gap(profile: Profile) -> bool:
    is_zero = (profile.values == 0).any() and LAYER_QUANTITIES[profile.quantity].scale == "log"
    return bool(is_zero or np.isnan(profile.values).any())


def _draw_by_depth(found: Mapping[str, Sequence[Drawn]], num_runs: int) -> Figure:
    figure, axes = _grid(len(found), 3, 2.6, 0.3)
    for ax, (name, profiles) in zip(axes, found.items(), strict=True):
        draw_by_depth(profiles, ax, linewidth=1.2)
        ax.set_title(LAYER_QUANTITIES[name].label, fontsize="medium")
        ax.set_ylabel("")
        ax.set_xlabel("layer, from the input", fontsize="small")
    if num_runs > 1:
        _add_legend(figure, axes, list(found.values()))
    return figure


def _add_legend(figure: Figure, axes: Sequence[Axes], found: Sequence[Sequence[Drawn]]) -> None:
    """Adds a legend of all training runs below the axes."""
    lines = {
        one.number: (line, one.name)
        for ax, profiles in zip(axes, found, strict=True)
        for one, line in zip(profiles, ax.get_lines(), strict=True)
    }
    handles, names = zip(*(lines[number] for number in sorted(lines)), strict=True)
    labels = [str(legend_label(name)) for name in names]
    figure.legend(handles, labels, loc="outside lower center", ncols=4)


def _loss(runs: Sequence[LoggedRun]) -> Picture | None:
    found = [
        Drawn(run.name, _loss_profile(run), number) for number, run in enumerate(runs) if run.losses
    ]
    if not found:
        return None
    return _picture(
        "Training loss",
        "Loss of each recorded batch, including regularization.",
        _without(runs, found),
        lambda: _draw_loss(found, len(runs)),
    )


def _draw_loss(found: Sequence[Drawn], num_runs: int) -> Figure:
    figure = Figure((_WIDTH, 3), layout="constrained")
    axes = figure.subplots()
    draw_loss(found, axes, linewidth=1.2)
    if num_runs > 1:
        add_legend_of_runs(axes)
    return figure


def _loss_profile(run: LoggedRun) -> Profile:
    steps, losses = zip(*run.losses, strict=True)
    values = np.array(losses, np.float64)[:, None]
    values[~np.isfinite(values)] = np.nan
    return Profile("loss", np.array(steps), ("",), values, np.ones(values.shape, bool))


def _profiles(runs: Sequence[LoggedRun], name: str) -> list[Drawn]:
    """Returns a quantity of the training runs that recorded it."""
    return [
        Drawn(run.name, run.table.profile(name), number)
        for number, run in enumerate(runs)
        if name in run.table.quantities
    ]


def _without(runs: Sequence[LoggedRun], found: Sequence[Drawn]) -> str:
    """Returns a sentence on the training runs that are not in a picture, or nothing."""
    shown = {one.number for one in found}
    names = [run.name for number, run in enumerate(runs) if number not in shown]
    return f"not recorded in {', '.join(names)}." if names else ""


def _picture(title: str, explanation: str, missing: str, draw: Callable[[], Figure]) -> Picture:
    light, dark = (_encoded(draw, text, lines) for text, lines in zip(_TEXT, _LINES, strict=True))
    explanation = f"{explanation} {capitalized(missing)}".rstrip()
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

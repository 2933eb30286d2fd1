"""Axes, colors, markers and text of figures."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from vg_keras.layer_quantities import log10_axis

_RUN_COLORS = {
    False: ("#0072b2", "#d55e00", "#007a59", "#b0457f", "#5a5a5a", "#7b61c9", "#8a6d00", "#00768a"),
    True: ("#56b4e9", "#e69f00", "#2fc79b", "#e79ac6", "#c8c8c8", "#b3a1f5", "#f0e442", "#5fd3e6"),
}
"""Colors of lines on a light and on a dark background, after Okabe and Ito, as in the tab in
TensorBoard: people with any kind of color vision can tell them apart."""

_MARKERS = "os^vDPX<"

_LINE_STYLES = ("-", "--", ":", "-.")
"""Those of the first eight training runs, of the next eight, and so on."""

_MAX_INSIDE = 3
"""Training runs in a legend that is inside the axes."""

MAX_COLUMNS = 3
"""Of new axes, side by side."""

_SMALLEST = float(np.finfo(np.float64).tiny)

_MAX_MARKERS, _SOME_MARKERS = 40, 10
"""A line of more points than that has markers at some of them."""

AS_TYPED: dict[str, Any] = {"parse_math": False, "usetex": False}
"""Properties of a text that is drawn as it is: a name such as `a_1` or `$x$` is no formula."""


def axes_for(number: int, axes: Any, width: float, height: float) -> list[Axes]:
    """Returns the axes to draw on: those of the caller, or new ones.

    Args:
        number: How many are needed.
        axes: What the caller passed: one, several, an array of them, or None.
        width: The width of each new one, in inches.
        height: The height, in inches.

    Raises:
        TypeError: If the caller passed anything else.
        ValueError: If the caller passed another number of axes.
    """
    if axes is None:
        return _new_axes(number, width, height)
    every = list(np.ravel(np.array(axes, object)))
    for one in every:
        if not isinstance(one, Axes):
            raise TypeError(f"`axes` must be Matplotlib Axes. Received: {one!r}.")
    if len(every) != number:
        raise ValueError(
            f"`axes` must be {'a single' if number == 1 else number} Matplotlib Axes. "
            f"Received: {len(every)}."
        )
    return every


def _new_axes(number: int, width: float, height: float) -> list[Axes]:
    from matplotlib import pyplot

    columns = min(number, MAX_COLUMNS)
    rows = -(-number // columns)
    size = (width * columns, height * rows)
    _, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    every = list(axes.flat)
    for empty in every[number:]:
        empty.remove()
    return every[:number]


def set_scale(axes: Axes, values: Sequence[NDArray[np.float64]], is_fraction: bool) -> None:
    """Scales the vertical axis: from 0 to 1, or logarithmic if all values are magnitudes.

    A logarithmic axis has at least as many decades as that of `log10_axis`, so that small
    differences between healthy layers look small.
    """
    together = _together(values)
    sizes = together[np.isfinite(together) & (together > 0)]
    if is_fraction:
        axes.set_ylim(-0.03, 1.03)
    elif len(sizes) and not (together < 0).any():
        low, high = (10.0 ** np.clip(end, -300, 300) for end in log10_axis(sizes))
        low, high = min(low, sizes.min()) / 2, max(high, sizes.max() / 2) * 2
        if axes.has_data() and axes.get_yscale() == "log":  # drawn on before
            low, high = min(low, axes.get_ylim()[0]), max(high, axes.get_ylim()[1])
        axes.set_yscale("log")
        axes.set_ylim(max(low, _SMALLEST), high)


def set_step_axis(axes: Axes) -> None:
    """Labels the horizontal axis of steps, which are integers."""
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(integers())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def integers() -> MaxNLocator:
    """Returns a locator of ticks at integers, as many as have room."""
    return MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True, min_n_ticks=1)


def say_if_empty(axes: Axes, values: Sequence[NDArray[np.float64]]) -> None:
    """Says so on the axes if there is no value to draw."""
    if not np.isfinite(_together(values)).any():
        axes.text(0.5, 0.5, "no value to draw", ha="center", va="center", transform=axes.transAxes)
        axes.set_yticks([])
        axes.set_yticks([], minor=True)


def _together(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *(of.ravel() for of in values)])


def visible(axes: Axes, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns values with NaN, which leaves a gap, in place of a zero on a logarithmic axis."""
    return np.where(values > 0, values, np.nan) if axes.get_yscale() == "log" else values


def figure_of(axes: Axes) -> Figure:
    """Returns the figure that holds the axes."""
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def is_dark(axes: Axes) -> bool:
    """Whether the background is dark."""
    red, green, blue, alpha = to_rgba(axes.get_facecolor())
    if alpha < 0.5:
        red, green, blue, _ = to_rgba(figure_of(axes).get_facecolor())
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5


def line_of_run(number: int, name: str, axes: Axes, values: NDArray[np.float64]) -> dict[str, Any]:
    """Returns the style and the label of the n-th training run's line.

    Args:
        number: The number of the training run, from 0.
        name: Its name. The label says so if the line has no point.
        axes: The axes.
        values: The values of the line, `[n]`.
    """
    colors = _RUN_COLORS[is_dark(axes)]
    some = set(range(len(values)))
    if len(values) > _MAX_MARKERS:  # those of another line are elsewhere
        distance = len(values) // _SOME_MARKERS
        some = set(range(number % len(_MARKERS) * distance // len(_MARKERS), len(values), distance))
    has_points = np.isfinite(values).any()
    return {
        "label": legend_label(name if has_points else f"{name} (no value to draw)".lstrip()),
        "color": colors[number % len(colors)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "markersize": max(8 - 1.2 * number, 4),  # seen below an equal line
        "markevery": sorted(some | set(isolated(values))),
        "linestyle": _LINE_STYLES[number // len(colors) % len(_LINE_STYLES)],
    }


def isolated(values: NDArray[np.float64]) -> list[int]:
    """Returns which values have a gap on either side, so that only a marker shows them.

    Args:
        values: The values of a line, `[n]`.
    """
    is_gap = ~np.isfinite(np.concatenate([[np.nan], values, [np.nan]]))
    return np.flatnonzero(~is_gap[1:-1] & is_gap[:-2] & is_gap[2:]).tolist()


def spread(number: int, most: int) -> list[int]:
    """Returns at most so many of the first integers: at equal distances, and the last one."""
    distance = max(-(-(number - 1) // (most - 1)), 1)
    some = list(range(0, number, distance))
    if some and number - 1 - some[-1] < 0.6 * distance:
        some.pop()  # too near to the last one, or that itself
    return [*some, *([number - 1] if number else [])]


def legend_label(name: str) -> str | None:
    """Returns a label that is shown in a legend.

    Matplotlib hides labels that begin with an underscore, so a space without width precedes it.
    """
    return f"\u200b{name}" if name.startswith("_") else name or None


def add_legend(axes: Axes, **how: Any) -> None:
    """Adds a legend with the labels as typed, if any line has one.

    Args:
        axes: The axes.
        **how: As in `Axes.legend`.
    """
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        for text in axes.legend(**how).get_texts():
            text.set(**AS_TYPED)


def add_legend_of_runs(axes: Axes) -> None:
    """Adds a legend of training runs: many of them beside the axes, where it covers no line."""
    is_long = len(axes.get_lines()) > _MAX_INSIDE
    beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    add_legend(axes, **(beside if is_long else {}))


def as_typed(figure: Figure) -> None:
    """Makes Matplotlib draw every text as typed, except the numbers at an axis, such as powers."""
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    numbers = {id(text) for axis in axes for text in axis.get_ticklabels(which="both")}
    for text in figure.findobj(Text):
        text.set_usetex(False)
        if id(text) not in numbers:
            text.set_parse_math(False)


def ignore_missing_glyphs(module: str) -> None:
    """Silences the warning that a font lacks a character, for figures that a module draws.

    The filter stays: `warnings.catch_warnings` would change those of all threads.

    Args:
        module: The `__name__` of the module that draws or saves the figure.
    """
    warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning, module)


def save(figure: Figure, file: Any, **how: Any) -> None:
    """Saves a figure with every text as it is, also in a script that the font does not have.

    Args:
        figure: The figure.
        file: A path or a file.
        **how: As in `Figure.savefig`.
    """
    as_typed(figure)
    ignore_missing_glyphs(__name__)
    figure.savefig(file, **how)


def data_uri(figure: Figure, **how: Any) -> str:
    """Returns a figure as an address that holds it: a PNG, saved as `save` does.

    Args:
        figure: The figure.
        **how: As in `Figure.savefig`.
    """
    file = io.BytesIO()
    save(figure, file, format="png", **how)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"

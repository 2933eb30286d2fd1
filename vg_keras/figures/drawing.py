"""Axes, colors and text of figures."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

_RUN_COLORS = {
    False: ("#0072b2", "#d55e00", "#007a59", "#b0457f", "#5a5a5a", "#7b61c9", "#8a6d00", "#00768a"),
    True: ("#56b4e9", "#e69f00", "#2fc79b", "#e79ac6", "#c8c8c8", "#b3a1f5", "#f0e442", "#5fd3e6"),
}
"""Colors of lines on a light and on a dark background, after Okabe and Ito, as in the tab in
TensorBoard: people with any kind of color vision can tell them apart."""

_MARKERS = "os^vDPX<"


def axes_for(
    number: int, axes: Axes | Sequence[Axes] | None, width: float, height: float
) -> list[Axes]:
    """Returns the axes of each training run: those of the caller, or new ones.

    Args:
        number: The number of training runs.
        axes: What the caller passed.
        width: The width of each new one, in inches.
        height: The height, in inches.

    Raises:
        ValueError: If the caller passed another number of axes.
    """
    if axes is None:
        return new_axes(number, width, height)
    every = [axes] if isinstance(axes, Axes) else list(axes)
    if len(every) != number:
        raise ValueError(
            f"`axes` must be as many as training runs, {number}. Received: {len(every)} axes."
        )
    return every


def new_axes(columns: int, width: float, height: float) -> list[Axes]:
    """Returns new axes side by side, which pyplot shows.

    Args:
        columns: Their number.
        width: The width of each, in inches.
        height: Their height, in inches.
    """
    from matplotlib import pyplot

    _, axes = pyplot.subplots(
        1, columns, figsize=(width * columns, height), squeeze=False, layout="constrained"
    )
    return list(axes[0])


def set_scale(axes: Axes, values: Iterable[NDArray[np.float64]], is_fraction: bool) -> None:
    """Makes the vertical axis of magnitudes logarithmic, if there is anything to see on it."""
    if not is_fraction and any((of > 0).any() for of in values):
        axes.set_yscale("log")


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


def line_of_run(number: int, axes: Axes) -> dict[str, Any]:
    """Returns the color and marker of the n-th training run."""
    colors = _RUN_COLORS[is_dark(axes)]
    return {"color": colors[number % len(colors)], "marker": _MARKERS[number % len(_MARKERS)]}


def legend_label(name: str) -> str | None:
    """Returns a label that is shown in a legend.

    Matplotlib hides labels that begin with an underscore, so a space without width precedes it.
    """
    return f"\u200b{name}" if name.startswith("_") else name or None


def as_typed(figure: Figure) -> None:
    """Draws every text as it is: a name such as `a_1` or `$x$` is no formula.

    Matplotlib may be configured to use LaTeX. Only the numbers at an axis may be formulas: powers.
    """
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    numbers = {id(text) for axis in axes for text in axis.get_ticklabels(which="both")}
    for text in figure.findobj(Text):
        text.set_usetex(False)
        if id(text) not in numbers:
            text.set_parse_math(False)


def save(figure: Figure, file: Any, **how: Any) -> None:
    """Saves a figure with every text as it is, also in a script that the font does not have.

    Args:
        figure: The figure.
        file: A path or a file.
        **how: As in `Figure.savefig`.
    """
    as_typed(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
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

"""One quantity of every layer over a training run: one line for each layer or variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from vg_keras.figures.drawing import (
    AS_TYPED,
    add_legend,
    axes_for,
    is_dark,
    isolated,
    legend_label,
    say_if_empty,
    set_scale,
    set_step_axis,
    spread,
    visible,
)
from vg_keras.figures.inputs import Drawable, Drawn, Runs, Several, axis_label, drawn, is_fraction
from vg_keras.printable import shortened

_RANGES = {False: (0.0, 0.88), True: (0.25, 1.0)}
"""The part of viridis that can be seen on a light and on a dark background."""

_MAX_LABELS = 12


@overload
def by_step(
    runs: Drawable, axes: Axes | None = None, *, quantity: str = "gradient_norm", **style: Any
) -> Axes: ...


@overload
def by_step(
    runs: Several,
    axes: Sequence[Axes] | None = None,
    *,
    quantity: str = "gradient_norm",
    **style: Any,
) -> list[Axes]: ...


def by_step(
    runs: Runs,
    axes: Axes | Sequence[Axes] | None = None,
    *,
    quantity: str = "gradient_norm",
    **style: Any,
) -> Axes | list[Axes]:
    """Plots one quantity of each layer or variable over the steps.

    The color runs from dark, the first layer, to light, the last one, in a color map that can be
    read without color vision. On a logarithmic axis, lines that lie a
    decade apart differ tenfold. A value that is zero or not finite leaves a gap.

    Args:
        runs: One training run, or several, which are drawn side by side on the same scale.
        axes: The Matplotlib axes to plot on, one for each training run; new ones with a legend by
            default.
        quantity: The quantity, see `vg_keras.profile`. Of variables, only kernels are drawn.
        **style: The style of the lines, as in `Axes.plot`.

    Returns:
        The axes; a list of them if several training runs were passed.

    Raises:
        TypeError: If `runs` or `axes` contains anything else.
        ValueError: If a training run has no record of the quantity, or there is another number of
            axes.
    """
    found = drawn(runs, quantity)
    every = axes_for(len(found), axes, 5, 3.8)
    for ax in every:
        set_scale(ax, [one.profile.values for one in found], is_fraction(found[0].profile))
    for ax, one in zip(every, found, strict=True):
        _draw(one, ax, style)
    every[0].set_ylabel(axis_label(found[0].profile))
    if axes is None:
        _join_scales(every)
        is_same = len({one.profile.labels for one in found}) == 1
        for ax in every[-1:] if is_same else every:
            _add_legend(ax)
    return every[0] if isinstance(runs, Drawable) else every


def _draw(one: Drawn, axes: Axes, style: dict[str, Any]) -> None:
    names = one.profile.labels
    colors = _colors(len(names), is_dark(axes))
    named = set(spread(len(names), _MAX_LABELS))
    for number, (column, name) in enumerate(zip(one.profile.values.T, names, strict=True)):
        values = visible(axes, column)
        line: dict[str, Any] = {
            "color": colors[number],
            "label": legend_label(shortened(name)) if number in named else None,
            "linewidth": 1.4,
            "marker": ".",
            "markevery": isolated(values),
        }
        axes.plot(one.profile.steps, values, **line | style)
    say_if_empty(axes, [one.profile.values])
    set_step_axis(axes)
    if one.name:
        axes.set_title(one.name, **AS_TYPED)


def _colors(number: int, is_on_dark: bool) -> list[tuple[float, float, float, float]]:
    first, last = _RANGES[is_on_dark]
    return [mpl.colormaps["viridis"](place) for place in np.linspace(first, last, number)]


def _join_scales(every: Sequence[Axes]) -> None:
    limits = [ax.get_ylim() for ax in every if ax.get_yticks().size]
    for ax in every:
        if limits:
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _add_legend(axes: Axes) -> None:
    """Adds a legend on the right of the axes; of many lines, it names some."""
    add_legend(axes, fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5))

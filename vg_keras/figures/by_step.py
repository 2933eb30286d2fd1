"""One quantity of every layer over a training run: one line for each layer or variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import matplotlib as mpl
from matplotlib.axes import Axes

from vg_keras.figures.drawing import axes_for, is_dark, legend_label, set_scale
from vg_keras.figures.inputs import Drawable, Runs, Several, axis_label, drawn, is_fraction

_RANGES = {False: (0.0, 0.88), True: (0.25, 1.0)}
"""The part of viridis that can be seen on a light and on a dark background."""

_MOST_LABELS = 12


@overload
def by_step(
    runs: Drawable,
    axes: Axes | None = None,
    *,
    quantity: str = "gradient_norm",
) -> Axes: ...


@overload
def by_step(
    runs: Several,
    axes: Sequence[Axes] | None = None,
    *,
    quantity: str = "gradient_norm",
) -> list[Axes]: ...


def by_step(
    runs: Runs,
    axes: Axes | Sequence[Axes] | None = None,
    *,
    quantity: str = "gradient_norm",
) -> Axes | list[Axes]:
    """Plots one quantity of each layer or variable over the steps.

    The lines run from dark, the first layer, to light, the last one, in a color map that can be
    read without color vision. On a logarithmic axis, lines that lie a decade apart differ tenfold.
    A value that is zero or not finite leaves a gap.

    Args:
        runs: One training run, or several, which are drawn side by side on the same scale.
        axes: The Matplotlib axes to plot on, for several training runs as many; new ones with a
            legend by default.
        quantity: The quantity, see `vg_keras.profile`. Of variables, only kernels are drawn.

    Returns:
        The axes; a list of them if several training runs were passed.

    Raises:
        ValueError: If nothing was recorded, or there are not as many axes as training runs.
    """
    found = drawn(runs, quantity)
    every = axes_for(len(found), axes, 5, 3.8)
    for number, (ax, one) in enumerate(zip(every, found, strict=True)):
        names = one.profile.labels
        lines = zip(one.profile.values.T, names, _colors(len(names), is_dark(ax)), strict=True)
        for values, label, color in lines:
            shown = legend_label(label)
            ax.plot(one.profile.steps, values, color=color, label=shown, linewidth=1.4)
        set_scale(ax, [one.profile.values], is_fraction(one.profile.quantity))
        ax.set_xlabel("step")
        ax.set_ylabel(axis_label(one.profile.quantity) if number == 0 else "")
        if one.name:
            ax.set_title(one.name, parse_math=False)
    if axes is None:
        _join_scales(every)
        is_same = len({one.profile.labels for one in found}) == 1
        for ax in every[-1:] if is_same else every:
            _add_legend(ax)
    return every[0] if isinstance(runs, Drawable) else every


def _colors(number: int, is_dark: bool) -> list[tuple[float, float, float, float]]:
    first, last = _RANGES[is_dark]
    span = (last - first) / max(number - 1, 1)
    return [mpl.colormaps["viridis"](first + i * span) for i in range(number)]


def _join_scales(every: Sequence[Axes]) -> None:
    limits = [ax.get_ylim() for ax in every]
    for ax in every:
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _add_legend(axes: Axes) -> None:
    """Adds a legend on the right of the axes; of many lines, it names some."""
    lines = axes.get_lines()
    some = lines[:: -(-len(lines) // _MOST_LABELS)]
    legend = axes.legend(
        handles=some, fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5)
    )
    for text in legend.get_texts():
        text.set_parse_math(False)

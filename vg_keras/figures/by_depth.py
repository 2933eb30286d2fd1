"""One quantity of every layer at one step: one line for each training run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vg_keras.figures.drawing import (
    add_legend,
    axes_for,
    line_of_run,
    say_if_empty,
    set_scale,
    visible,
)
from vg_keras.figures.inputs import Drawn, Runs, axis_label, drawn, is_fraction
from vg_keras.layer_matching import matched_layers


def by_depth(
    runs: Runs,
    axes: Axes | None = None,
    *,
    quantity: str = "gradient_norm",
    step: int | None = None,
    **style: Any,
) -> Axes:
    """Plots one quantity at one step over the depth of the layer.

    In a healthy network the gradients of all layers are of similar size. Where a line falls toward
    the input, on the left, the gradient vanishes. Layers of several training runs that have the
    same name have the same place, as far as their order allows. A line joins the layers of its own
    model, also across a place where only another model has a layer.

    Args:
        runs: One training run, or several, each of which becomes a line.
        axes: The Matplotlib axes to plot on; new ones with a legend by default.
        quantity: The quantity, see `vg_keras.profile`. Of variables, only kernels are drawn.
        step: The step: the last recorded one that is not later. The last one of all by default.
        **style: The style of the lines, as in `Axes.plot`.

    Returns:
        The axes.

    Raises:
        TypeError: If `runs` or `axes` contains anything else, or `step` is not an integer.
        ValueError: If a training run has no record of the quantity, or none at or before `step`, or
            the quantity has one value for the whole model.

    Example:
        >>> by_depth({"before": one, "after": other}, step=0)  # doctest: +SKIP
    """
    found = drawn(runs, quantity, by_path=True)
    (ax,) = axes_for(1, axes, 5.5, 3.8)
    draw_by_depth(found, ax, step, **style)
    if axes is None and len(found) > 1:
        add_legend(ax)
    return ax


def draw_by_depth(
    found: Sequence[Drawn], axes: Axes, step: int | None = None, **style: Any
) -> None:
    """Draws what `by_depth` draws, without a legend.

    Args:
        found: The quantity of the training runs.
        axes: The axes.
        step: As in `by_depth`.
        **style: As in `by_depth`.
    """
    depths, _ = matched_layers([one.profile.labels for one in found])
    rows = [one.profile.values[one.profile.row_at(step)] for one in found]
    set_scale(axes, rows, is_fraction(found[0].profile))
    for one, of_run, row in zip(found, depths, rows, strict=True):
        values = visible(axes, row)
        line = line_of_run(one.number, one.name, axes, values) | style
        axes.plot([depth + 1 for depth in of_run], values, **line)
    say_if_empty(axes, rows)
    axes.set_xlabel("layer, from the input to the output")
    axes.set_ylabel(axis_label(found[0].profile))
    axes.set_xlim(0.5, max(map(max, depths)) + 1.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))

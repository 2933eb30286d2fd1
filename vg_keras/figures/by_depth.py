"""One quantity of every layer at one step: one line for each training run."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vg_keras.figures.drawing import legend_label, line_of_run, new_axes, set_scale
from vg_keras.figures.inputs import Runs, axis_label, drawn, is_fraction
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
    same name have the same place, as far as their order allows.

    Args:
        runs: One training run, or several, each of which becomes a line.
        axes: The Matplotlib axes to plot on; new ones with a legend by default.
        quantity: The quantity, see `vg_keras.profile`. Of variables, only kernels are drawn.
        step: The step: the last recorded one that is not later. The last one of all by default.
        **style: The style of the lines, as in `Axes.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: If nothing was recorded, or nothing at or before `step`.

    Example:
        >>> by_depth({"before": one, "after": other}, step=0)  # doctest: +SKIP
    """
    found = drawn(runs, quantity)
    is_new = axes is None
    axes = axes or new_axes(1, 5.5, 3.8)[0]
    depths, _ = matched_layers([one.profile.labels for one in found])
    rows = [one.profile.values[one.profile.row_at(step)] for one in found]
    for number, (one, values) in enumerate(zip(found, rows, strict=True)):
        line = line_of_run(number, axes) | {"label": legend_label(one.name)} | style
        axes.plot([depth + 1 for depth in depths[number]], values, **line)
    shown = found[0].profile.quantity
    set_scale(axes, rows, is_fraction(shown))
    axes.set_xlabel("layer, from the input to the output")
    axes.set_ylabel(axis_label(shown))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if is_new and len(found) > 1:
        axes.legend()
    return axes

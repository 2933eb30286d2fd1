"""One quantity of every layer at one step: one line for each training run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from vg_keras.figures.drawing import (
    add_legend_of_runs,
    axes_for,
    integers,
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
    the input, on the left, the gradient vanishes. Layers with the same name share a position as far
    as their order allows. Lines pass over positions at which only another model has a layer.

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
    found = drawn(runs, quantity, by_path=True, complete=True)
    (ax,) = axes_for(1, axes, 5.5, 3.8)
    draw_by_depth(found, ax, step, **style)
    if axes is None and len(found) > 1:
        add_legend_of_runs(ax)
    return ax


def draw_by_depth(
    found: Sequence[Drawn], axes: Axes, step: int | None = None, **style: Any
) -> None:
    """Does the same as `by_depth`, without a legend.

    Args:
        found: The quantity of the training runs.
        axes: The axes.
        step: As in `by_depth`.
        **style: As in `by_depth`.
    """
    depths, _ = matched_layers([one.profile.labels for one in found])
    rows = [one.profile.row_at(step) for one in found]
    steps = [int(one.profile.steps[row]) for one, row in zip(found, rows, strict=True)]
    is_same = len(set(steps)) == 1
    values = [one.profile.values[row] for one, row in zip(found, rows, strict=True)]
    set_scale(axes, values, is_fraction(found[0].profile))
    for one, of_run, at, every in zip(found, depths, steps, values, strict=True):
        shown = visible(axes, every)
        line = line_of_run(one.number, one.name, axes, shown)
        if not is_same:
            line["label"] = f"{line['label'] or ''}, step {at:,}".removeprefix(", ")
        axes.plot([depth + 1 for depth in of_run], shown, **line | style)
    say_if_empty(axes, values)
    at_step = f" (step {steps[0]:,})" if is_same else ""
    axes.set_xlabel(f"layer, from the input to the output{at_step}")
    axes.set_ylabel(axis_label(found[0].profile))
    axes.set_xlim(0.5, max(map(max, depths)) + 1.5)
    axes.xaxis.set_major_locator(integers())

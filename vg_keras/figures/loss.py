"""The loss over training runs: one line for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from vg_keras.figures.drawing import (
    add_legend_of_runs,
    axes_for,
    line_of_run,
    say_if_empty,
    set_step_axis,
)
from vg_keras.figures.inputs import Drawn, Runs, drawn


def loss(runs: Runs, axes: Axes | None = None, **style: Any) -> Axes:
    """Plots the loss of the recorded batches over the steps.

    It is the loss that was differentiated: of one batch, including regularization.

    Args:
        runs: One training run, or several, each of which becomes a line.
        axes: The Matplotlib axes to plot on; new ones with a legend by default.
        **style: The style of the lines, as in `Axes.plot`.

    Returns:
        The axes.

    Raises:
        TypeError: If `runs` or `axes` contains anything else.
        ValueError: If a training run has no record of the loss.
    """
    found = drawn(runs, "loss")
    (ax,) = axes_for(1, axes, 5.5, 3.8)
    draw_loss(found, ax, **style)
    if axes is None and len(found) > 1:
        add_legend_of_runs(ax)
    return ax


def draw_loss(found: Sequence[Drawn], axes: Axes, **style: Any) -> None:
    """Does the same as `loss`, without a legend.

    Args:
        found: The losses of the training runs.
        axes: The axes.
        **style: As in `loss`.
    """
    for one in found:
        values = one.profile.values[:, 0]
        line = line_of_run(one.number, one.name, axes, values) | style
        axes.plot(one.profile.steps, values, **line)
    say_if_empty(axes, [one.profile.values for one in found])
    set_step_axis(axes)
    axes.set_ylabel("loss of the batch")

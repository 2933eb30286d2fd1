"""The loss over training runs: one line for each."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from vg_keras.figures.drawing import legend_label, line_of_run, new_axes
from vg_keras.figures.inputs import Runs, drawn


def loss(runs: Runs, axes: Axes | None = None, **style: Any) -> Axes:
    """Plots the loss of the recorded batches over the steps.

    This is the loss that was differentiated: of one batch, with penalties.

    Args:
        runs: One training run, or several, each of which becomes a line.
        axes: The Matplotlib axes to plot on; new ones with a legend by default.
        **style: The style of the lines, as in `Axes.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: If no loss was recorded.
    """
    found = drawn(runs, "loss")
    is_new = axes is None
    axes = axes or new_axes(1, 5.5, 3.8)[0]
    for number, one in enumerate(found):
        line = line_of_run(number, axes) | {"marker": "", "label": legend_label(one.name)} | style
        axes.plot(one.profile.steps, one.profile.values, **line)
    axes.set_xlabel("step")
    axes.set_ylabel("loss of the batch")
    if is_new and len(found) > 1:
        axes.legend()
    return axes

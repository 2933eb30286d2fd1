"""Draws how the gradient norm changes from layer to layer at one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from vg_keras.quantities import norm_to_plot
from vg_keras.record import Record


def gradient_norm_by_depth(record: Record, axes: Axes, paths: Sequence[str], **style: Any) -> Axes:
    """Draws the L2 norms of the gradients at one step against layer depth, on a log axis.

    Args:
        record: The record of the step.
        axes: The axes to draw on.
        paths: One variable for each layer, in order; the first is drawn at depth 1.
        **style: Line properties, as in `Axes.plot`.

    Returns:
        The axes.
    """
    depths = range(1, len(paths) + 1)
    axes.plot(depths, [norm_to_plot(record.gradients[path]) for path in paths], **style)
    axes.set_yscale("log")
    axes.set_xlabel("layer, from the input to the output")
    axes.set_ylabel("L2 norm of the gradient")
    return axes

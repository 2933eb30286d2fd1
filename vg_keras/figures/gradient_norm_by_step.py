"""Draws how the gradient norm of each variable changes over training."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes

from vg_keras.quantities import norm_to_plot
from vg_keras.record import Record

DARKEST, LIGHTEST = 0.0, 0.88  # lighter colors of viridis are hard to see on white


def gradient_norm_by_step(
    records: Sequence[Record], axes: Axes, paths: Sequence[str], labels: Sequence[str] | None = None
) -> Axes:
    """Draws the L2 norm of the gradient of each variable against the step, on a log axis.

    Lines go from dark for the first variable to light for the last one, in a color map that is
    readable without color vision. A norm of zero, which a log axis cannot show, leaves a gap, as
    does a norm that is not finite.

    Args:
        records: The records, in step order.
        axes: The axes to draw on.
        paths: The variables to draw, in the order of the layers.
        labels: Their names in the legend; their paths by default.

    Returns:
        The axes.
    """
    steps = [record.step for record in records]
    for path, label, colour in zip(paths, labels or paths, _colours(len(paths)), strict=True):
        norms = [
            norm_to_plot(r.gradients[path]) if path in r.gradients else float("nan")
            for r in records
        ]
        axes.plot(steps, norms, color=colour, label=label, linewidth=1.4)
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("L2 norm of the gradient")
    return axes


def _colours(count: int) -> list[tuple[float, float, float, float]]:
    span = (LIGHTEST - DARKEST) / max(count - 1, 1)
    return [mpl.colormaps["viridis"](DARKEST + i * span) for i in range(count)]

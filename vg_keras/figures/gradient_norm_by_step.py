"""How the gradient of each layer develops in training: a line for each variable."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes

from vg_keras.quantities import norm_to_plot
from vg_keras.record import Record

DARKEST, LIGHTEST = 0.0, 0.88  # the end of viridis is too light for a line on white


def gradient_norm_by_step(
    records: Sequence[Record], axes: Axes, paths: Sequence[str], labels: Sequence[str] | None = None
) -> Axes:
    """Draws the L2 norm of the gradient of each variable over the steps, on a log axis.

    The lines run from dark, the first variable, to light, the last one, in a colour map that reads
    without colour vision. A norm of zero cannot be shown on a log axis and leaves a gap, as does
    one that is not finite.

    Args:
        records: What was recorded, in the order of the steps.
        axes: Where to draw.
        paths: The variables to draw, in the order of the layers.
        labels: What the legend calls them, by default their paths.

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

"""The gradient of each layer over a training run: one line for each variable."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes

from vg_keras.profiles import profile
from vg_keras.record import Training

DARKEST, LIGHTEST = 0.0, 0.88  # the end of viridis is too light for a line on white


def gradient_norm_by_step(
    training: Training,
    axes: Axes,
    paths: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
) -> Axes:
    """Plots the L2 norm of the gradient of each variable over the steps, on a log axis.

    The lines run from dark, the first variable, to light, the last one, in a color map that can be
    read without color vision. A norm that is zero or not finite leaves a gap.

    Args:
        training: The training run.
        axes: The axes to plot on.
        paths: The variables to plot, in the order of the layers. Defaults to all variables.
        labels: Their names in the legend. Defaults to their paths.

    Returns:
        The axes.
    """
    norms = profile(training, "gradient_norm")
    chosen = norms.paths if paths is None else paths
    for path, label, color in zip(chosen, labels or chosen, _colors(len(chosen)), strict=True):
        axes.plot(norms.steps, norms.of(path), color=color, label=label, linewidth=1.4)
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("L2 norm of the gradient")
    return axes


def _colors(count: int) -> list[tuple[float, float, float, float]]:
    span = (LIGHTEST - DARKEST) / max(count - 1, 1)
    return [mpl.colormaps["viridis"](DARKEST + i * span) for i in range(count)]

"""The gradient of each layer at one step: one line for the whole network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from vg_keras.profiles import profile
from vg_keras.record import Training


def gradient_norm_by_depth(
    training: Training,
    axes: Axes,
    paths: Sequence[str] | None = None,
    step: int | None = None,
    **style: Any,
) -> Axes:
    """Plots the L2 norm of each gradient at one step over the depth of its layer, on a log axis.

    Args:
        training: The training run.
        axes: The axes to plot on.
        paths: One variable for each layer, from the input to the output. Defaults to all
            variables. The first has depth 1.
        step: A recorded step. Defaults to the last one.
        **style: The style of the line, as in `Axes.plot`.

    Returns:
        The axes.

    Raises:
        ValueError: If `step` was not recorded.
    """
    norms = profile(training, "gradient_norm")
    rows = np.flatnonzero(norms.steps == step) if step is not None else [-1]
    if not len(norms.steps) or not len(rows):
        raise ValueError(
            f"`step` must be a recorded step: {', '.join(map(str, norms.steps))}. "
            f"Received: step={step!r}."
        )
    chosen = norms.paths if paths is None else paths
    depths = range(1, len(chosen) + 1)
    axes.plot(depths, [norms.of(path)[rows[0]] for path in chosen], **style)
    axes.set_yscale("log")
    axes.set_xlabel("layer, from the input to the output")
    axes.set_ylabel("L2 norm of the gradient")
    return axes

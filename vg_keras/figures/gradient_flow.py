"""The gradient of every layer over a training run: one picture that shows where it vanishes."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch
from numpy.typing import NDArray

from vg_keras.profiles import Profile, profile
from vg_keras.record import Training

LOWEST, HIGHEST = -8.0, 2.0
"""The ends of the color scale, log10 of the norm. They are the same for all training runs, so that
two pictures can be compared. Hidden layers that learn have norms of about 1e-4 to 1; less than 1e-8
or more than 100 has the color of the end."""

ZERO, NON_FINITE, NOT_RECORDED = "white", "#ff2d2d", "#9a9a9a"
"""Colors that viridis, which can be read without color vision, does not contain."""

_MAX_LABELS, _MAX_STEPS, _MAX_LETTERS = 12, 6, 24


def gradient_flow(
    training: Training | Profile, axes: Axes, names: Mapping[str, str] | None = None
) -> Axes:
    """Draws the norm of the gradient at each layer's output as a color: layers down, steps across.

    In a healthy network the colors hardly change from top to bottom. The gradient flows from the
    last layer, at the bottom, to the first one, at the top.

    Args:
        training: The training run, or any profile of norms.
        axes: The axes to plot on. A color bar takes a part of them.
        names: The names of the layers, by path. Defaults to their paths.

    Returns:
        The axes.

    Raises:
        ValueError: If nothing was recorded.
    """
    flow = training if isinstance(training, Profile) else profile(training, *_NORM)
    if not flow.values.size:
        raise ValueError(f"Expected a training run with records of layers. Received: {training!r}.")
    axes.imshow(_colors(flow), aspect="auto", interpolation="nearest")
    labels = [_shortened((names or {}).get(path, path)) for path in flow.paths]
    rows = _spread(len(labels), _MAX_LABELS)
    axes.set_yticks(rows, [labels[row] for row in rows], fontsize=7)
    columns = _spread(len(flow.steps), _MAX_STEPS)
    axes.set_xticks(columns, [f"{flow.steps[column]:,}" for column in columns], fontsize=7)
    axes.tick_params(length=2, pad=2)
    axes.set_xlabel("recorded step", fontsize=7)
    axes.set_ylabel("layer, from the input", fontsize=7)
    _add_color_bar(axes)
    _add_legend(flow, axes)
    return axes


_NORM = ("activation_gradients", "norm")


def _colors(flow: Profile) -> NDArray[np.uint8]:
    """Returns the color of each norm, `[paths, steps, 4]`."""
    norms = flow.values.T
    is_finite = np.isfinite(norms)
    logs = np.log10(np.where(is_finite & (norms > 0), norms, 1.0))
    scaled = np.clip((logs - LOWEST) / (HIGHEST - LOWEST), 0, 1)
    colors = mpl.colormaps["viridis"](scaled, bytes=True)
    for where, color in (
        (norms == 0, ZERO),
        (~is_finite, NON_FINITE),
        (~flow.recorded.T, NOT_RECORDED),
    ):
        colors[where] = np.multiply(to_rgba(color), 255).astype(np.uint8)
    return colors


def _add_color_bar(axes: Axes) -> None:
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(LOWEST, HIGHEST), "viridis")
    figure = axes.get_figure(root=False)
    assert figure is not None
    bar = figure.colorbar(scale, ax=axes, extend="both", pad=0.02, aspect=20, fraction=0.06)
    exponents = range(int(LOWEST), int(HIGHEST) + 1, 2)
    bar.set_ticks(list(exponents), labels=[f"1e{e}" if e else "1" for e in exponents], fontsize=7)
    bar.set_label("norm of the gradient", fontsize=7)


def _add_legend(flow: Profile, axes: Axes) -> None:
    """Adds the colors that are not on the color bar, if there are any."""
    found = [
        (flow.recorded & (flow.values == 0), ZERO, "exactly 0"),
        (flow.recorded & ~np.isfinite(flow.values), NON_FINITE, "NaN or infinite"),
        (~flow.recorded, NOT_RECORDED, "not recorded"),
    ]
    patches = [
        Patch(facecolor=color, edgecolor="black", linewidth=0.5, label=label)
        for where, color, label in found
        if where.any()
    ]
    if patches:
        axes.legend(
            handles=patches,
            loc="upper right",
            bbox_to_anchor=(1.0, -0.12),
            ncols=len(patches),
            fontsize=6.5,
            frameon=False,
            handlelength=1,
            borderpad=0,
        )


def _spread(number: int, most: int) -> list[int]:
    """Returns at most so many of the first integers, at equal distances, from 0 on."""
    return list(range(0, number, -(-number // most)))


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_LETTERS else f"{name[:8]}…{name[9 - _MAX_LETTERS :]}"

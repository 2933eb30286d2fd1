"""The gradient of every layer over a training run: one picture that shows where it vanishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch
from numpy.typing import NDArray

from vg_keras.figures.drawing import AS_TYPED, MAX_COLUMNS, axes_for, spread
from vg_keras.figures.inputs import Drawable, Drawn, Runs, Several, drawn, is_fraction, label_of
from vg_keras.layer_quantities import log10_axis
from vg_keras.printable import shortened
from vg_keras.profiles import Profile

LOWEST, HIGHEST = -8.0, 2.0
"""The ends of the color scale, log10 of the norm. They are the same for all training runs, so that
two pictures can be compared. Hidden layers that learn have norms of about 1e-4 to 1; less than 1e-8
or more than 100 has the color of the end."""

_NORMS = ("activation_gradient_norm", "gradient_norm")
"""What is drawn by default: the first one that was recorded."""

ZERO, NON_FINITE, NOT_RECORDED = "white", "#ff2d2d", "#9a9a9a"
"""Colors that viridis, which can be read without color vision, does not contain."""

_MAX_LABELS, _MAX_STEPS = 11, 6

_SIZE = 8
"""The size of the text, in points."""


@overload
def gradient_flow(
    runs: Drawable,
    axes: Axes | None = None,
    *,
    quantity: str | None = None,
) -> Axes: ...


@overload
def gradient_flow(
    runs: Several,
    axes: Sequence[Axes] | None = None,
    *,
    quantity: str | None = None,
) -> list[Axes]: ...


def gradient_flow(
    runs: Runs,
    axes: Axes | Sequence[Axes] | None = None,
    *,
    quantity: str | None = None,
) -> Axes | list[Axes]:
    """Draws the norm of the gradient at each layer's output as a color: layers down, steps across.

    In a healthy network the colors hardly change from top to bottom. The gradient flows from the
    last layer, at the bottom, to the first one, at the top.

    Args:
        runs: One training run, or several, which are drawn side by side on the same scale.
        axes: The Matplotlib axes to plot on, one for each training run; new ones by default. A
            color bar takes a part of them.
        quantity: Another quantity to draw, see `vg_keras.profile`. Of variables, only kernels are
            drawn. By default the norm of the gradient at each layer's output, or that of the
            kernel's gradient if a training run does not monitor outputs.

    Returns:
        The axes; a list of them if several training runs were passed.

    Raises:
        TypeError: If `runs` or `axes` contains anything else.
        ValueError: If a training run has no record of the quantity, the quantity has one value for
            the whole model, or there is another number of axes.
    """
    found = drawn(runs, *(_NORMS if quantity is None else [quantity]), by_path=True)
    every = axes_for(len(found), axes, 5.6, 2.8)
    scale = _scale_of(found)
    for ax, one in zip(every, found, strict=True):
        _draw(one, ax, scale)
    _add_color_bar(every, scale)
    return every[0] if isinstance(runs, Drawable) else every


def _draw(one: Drawn, axes: Axes, scale: _Scale) -> None:
    flow = one.profile
    axes.imshow(_colors(flow, scale), aspect="auto", interpolation="nearest")
    axes.spines[:].set_color(mpl.rcParams["ytick.color"])  # a white row is a part of the map
    rows = spread(len(flow.labels), _MAX_LABELS)
    axes.set_yticks(rows, [shortened(flow.labels[row]) for row in rows], fontsize=_SIZE, **AS_TYPED)
    columns = spread(len(flow.steps), _MAX_STEPS)
    axes.set_xticks(columns, [f"{flow.steps[column]:,}" for column in columns], fontsize=_SIZE)
    axes.tick_params(length=2, pad=2)
    axes.grid(False)
    axes.set_xlabel("recorded step", fontsize=_SIZE, loc="left")  # the legend is on the right
    axes.set_ylabel("layer, from the input", fontsize=_SIZE)
    if one.name:
        axes.set_title(one.name, **AS_TYPED)
    _add_legend(flow, axes, scale)


@dataclass(frozen=True)
class _Scale:
    """The scale of colors.

    Args:
        low: Its lower end, or log10 of it.
        high: Its upper end, or log10 of it.
        is_log: Whether the ends are logarithms.
        label: What it shows.
    """

    low: float
    high: float
    is_log: bool
    label: str


def _scale_of(found: Sequence[Drawn]) -> _Scale:
    first = found[0].profile
    if first.quantity in _NORMS:
        return _Scale(LOWEST, HIGHEST, True, "norm of the gradient")
    if is_fraction(first):
        return _Scale(0, 1, False, label_of(first))
    every = np.concatenate([one.profile.values.ravel() for one in found])
    if (every < 0).any():
        return _Scale(np.nanmin(every), np.nanmax(every), False, label_of(first))
    return _Scale(*log10_axis(every), True, label_of(first))


def _colors(flow: Profile, scale: _Scale) -> NDArray[np.uint8]:
    """Returns the color of each value, `[paths, steps, 4]`."""
    values = flow.values.T
    is_finite = np.isfinite(values)
    is_drawn = is_finite & (values > 0) if scale.is_log else is_finite
    positions = np.where(is_drawn, values, 1.0)
    positions = np.log10(positions) if scale.is_log else positions
    span = scale.high - scale.low or 1.0
    scaled = np.clip((positions - scale.low) / span, 0, 1)
    colors = mpl.colormaps["viridis"](scaled, bytes=True)
    for where, color in (
        (is_finite & ~is_drawn, ZERO),
        (~is_finite, NON_FINITE),
        (~flow.recorded.T, NOT_RECORDED),
    ):
        colors[where] = np.multiply(to_rgba(color), 255).astype(np.uint8)
    return colors


def _add_color_bar(every: Sequence[Axes], scale: _Scale) -> None:
    """Adds the scale of colors on the right."""
    colors = mpl.cm.ScalarMappable(mpl.colors.Normalize(scale.low, scale.high), "viridis")
    figure = every[-1].get_figure(root=False)
    assert figure is not None
    rows = -(-len(every) // MAX_COLUMNS)
    bar = figure.colorbar(
        colors,
        ax=list(every),
        extend="both" if scale.is_log else "neither",
        pad=0.02,
        aspect=20,
        shrink=min(1, 2 / rows),
        fraction=0.06,
    )
    if scale.is_log:
        exponents = range(int(scale.low), int(scale.high) + 1, 2)
        bar.set_ticks(list(exponents), labels=[f"1e{e}" if e else "1" for e in exponents])
    bar.ax.tick_params(labelsize=_SIZE)
    bar.set_label(scale.label, fontsize=_SIZE)


def _add_legend(flow: Profile, axes: Axes, scale: _Scale) -> None:
    """Adds the colors that are not on the color bar, if there are any."""
    is_zero = flow.recorded & (flow.values == 0) & scale.is_log
    found = [
        (is_zero, ZERO, "exactly 0"),
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
            fontsize=_SIZE - 0.5,
            frameon=False,
            handlelength=1,
            borderpad=0,
        )

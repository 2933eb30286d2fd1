"""Draws a figure and encodes it as the PNG that TensorBoard's image plugin expects.

Matplotlib is imported only when the first image is drawn. Drawing happens in a background thread,
so it neither uses pyplot nor changes Matplotlib's settings, which the user's own figures share.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from vg_keras.profiles import Profile
from vg_keras.rules.diagnosis import Diagnosis

_INCHES, _DOTS_PER_INCH = (4.2, 2.2), 190
"""TensorBoard shows an image in 400 x 210 pixels, until it is clicked: half of this size, at which
text of 7 points can still be read."""

_COLORS = 200
"""With a palette, the image takes 16 kB instead of 50. No color of the picture visibly changes."""

_COLOR_OF = {None: "#1b6e33", "warning": "#8a5a00", "error": "#b00020"}
"""The color of the title by severity. The title says the same in words."""


@dataclass(frozen=True)
class Image:
    """An image.

    Args:
        png: Its contents.
        width: Its width in pixels.
        height: Its height in pixels.
    """

    png: bytes
    width: int
    height: int


def flow_image(
    flow: Profile,
    title: str,
    diagnosis: Diagnosis | None = None,
) -> Image:
    """Draws how the gradient flows through the layers.

    Args:
        flow: The norms of the gradients of all layers.
        title: The verdict.
        diagnosis: The diagnosis in the title, whose layers are marked, or None if all is well.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image as Picture

    from vg_keras.figures.drawing import as_typed, ignore_missing_glyphs
    from vg_keras.figures.gradient_flow import gradient_flow

    figure = Figure(_INCHES, _DOTS_PER_INCH, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    axes = gradient_flow(flow, figure.add_subplot())
    affected = diagnosis.paths if diagnosis else ()
    color = _COLOR_OF[diagnosis.severity if diagnosis else None]
    figure.suptitle(title, x=0.01, ha="left", fontsize=8.5, fontweight="bold", color=color)
    for row, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True):
        path = flow.paths[int(row)]
        if any(one == path or one.startswith(f"{path}/") for one in affected):
            label.set(color=color, fontweight="bold")
    as_typed(figure)
    ignore_missing_glyphs(__name__)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
    picture = Picture.fromarray(np.ascontiguousarray(pixels)).quantize(
        _COLORS, dither=Picture.Dither.NONE
    )
    file = io.BytesIO()
    picture.save(file, "png")
    return Image(file.getvalue(), picture.width, picture.height)

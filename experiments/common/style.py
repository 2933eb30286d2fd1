"""Style of the figures: color, marker and name of each activation, consistent across figures.

The colors are Okabe and Ito's, which are safe for color-blind readers, each with its own marker.
"""

from typing import Any

from matplotlib.axes import Axes

_TABLE = (
    ("sigmoid", "sigmoid", "#0072B2", "o"),
    ("relu", "ReLU", "#D55E00", "s"),
    ("tanh", "tanh", "#009E73", "^"),
    ("softsign", "softsign", "#56B4E9", "v"),
    ("leaky_relu", "LeakyReLU", "#E69F00", "D"),
    ("elu", "ELU", "#CC79A7", "P"),
    ("selu", "SELU", "#000000", "X"),
    ("gelu", "GELU", "#8C8C8C", "<"),
    ("silu", "SiLU", "#7B4B1A", ">"),
    ("linear", "linear", "#5B3A9E", "d"),
)

LABELS = {name: label for name, label, *_ in _TABLE}
"""Names of the activations in figures and tables."""

STYLES: dict[str, dict[str, Any]] = {
    name: {"color": color, "marker": marker} for name, _, color, marker in _TABLE
}
"""Arguments of `Axes.plot` for each activation."""

THEORY: dict[str, Any] = {"linestyle": "--", "linewidth": 1.0, "marker": ""}
"""Style of a line predicted by theory, drawn in the color of the measurement."""


def finish(axes: Axes, title: str, legend: bool = True, **properties: Any) -> None:
    """Adds a title, a grid and a legend to axes, and sets properties such as `ylabel`."""
    axes.set(**properties)
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.3)
    if legend:
        axes.legend(fontsize=8)

"""Style of the figures: color, marker and name of each activation, consistent across figures.

The colors are Okabe and Ito's, which are safe for color-blind readers, each with its own marker.
"""

from typing import Any

from matplotlib.axes import Axes

LABELS = {
    "linear": "linear",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "softsign": "softsign",
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
}
"""Names of the activations in figures and tables."""

STYLES: dict[str, dict[str, Any]] = {
    "sigmoid": {"color": "#0072B2", "marker": "o"},
    "relu": {"color": "#D55E00", "marker": "s"},
    "tanh": {"color": "#009E73", "marker": "^"},
    "softsign": {"color": "#56B4E9", "marker": "v"},
    "leaky_relu": {"color": "#E69F00", "marker": "D"},
    "elu": {"color": "#CC79A7", "marker": "P"},
    "selu": {"color": "#000000", "marker": "X"},
    "gelu": {"color": "#8C8C8C", "marker": "<"},
    "silu": {"color": "#7B4B1A", "marker": ">"},
    "linear": {"color": "#5B3A9E", "marker": "d"},
}
"""Arguments of `Axes.plot` for each activation."""

THEORY: dict[str, Any] = {"linestyle": "--", "linewidth": 1.0, "marker": ""}
"""Style of a line predicted by theory, drawn in the color of the measurement."""


def finish(axes: Axes, title: str, legend: bool = True) -> None:
    """Adds a title, a grid and a legend to axes."""
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.3)
    if legend:
        axes.legend(fontsize=8)

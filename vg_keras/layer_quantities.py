"""The quantities of the catalogue that have one number for each layer or variable.

For what shows them side by side: the tab in TensorBoard and the command line. Imports neither
TensorFlow nor Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vg_keras.log.chart_names import chart_names
from vg_keras.log.numbers import Numbers
from vg_keras.profiles import Profile
from vg_keras.quantities import CURVES, NUMBERS, SKETCHES
from vg_keras.record import ModelDescription

Read = Callable[[Numbers], NDArray[np.float64] | None]
"""Returns the values of all variables or layers in a record, or None if they were not recorded.

NaN where nothing was recorded, infinite where a value is not finite."""


_FEWEST_DECADES, _MOST_DECADES = 6, 12
"""Width of an axis. A narrower one would make small differences between healthy layers look large,
a wider one large differences small."""


@dataclass(frozen=True)
class LayerQuantity:
    """A quantity with one number for each layer or variable.

    Args:
        name: Its name.
        label: Its name in words.
        of: Whether each variable or each layer has a value.
        unit: The unit of a value.
        scale: "log" for magnitudes of any size, "fraction" for values from 0 to 1.
        sketch: The sketch quantity whose histograms belong to it, or None.
        read: Reads its values.
    """

    name: str
    label: str
    of: Literal["variables", "layers"]
    unit: str
    scale: Literal["log", "fraction"]
    sketch: str | None
    read: Read

    @property
    def title(self) -> str:
        """Its label and its unit."""
        return self.label if self.unit == "1" else f"{self.label} ({self.unit})"

    def paths(self, model: ModelDescription) -> tuple[str, ...]:
        """Returns the paths that are shown: layers, or kernels if the model has any."""
        return model.outputs if self.of == "layers" else model.kernels or model.variables

    def indices(self, model: ModelDescription) -> NDArray[np.int64]:
        """Returns the index of each of `paths` among the values that `read` returns."""
        every = model.outputs if self.of == "layers" else model.variables
        place = {path: number for number, path in enumerate(every)}
        return np.array([place[path] for path in self.paths(model)], np.int64)

    def axis(self, *values: NDArray[np.float64]) -> tuple[float, float]:
        """Returns the ends of an axis for some values: those of `log10_axis`, or 0 and 1."""
        return (0, 1) if self.scale == "fraction" else log10_axis(*values)

    def of_record(self, model: ModelDescription, numbers: Numbers) -> Profile:
        """Returns the values in a record, as a profile of one row.

        Raises:
            ValueError: If the record has none.
        """
        values = self.read(numbers)
        if values is None:
            raise ValueError(f"The record of step {numbers.step} has no {self.label}.")
        return self.profile(model, np.array([numbers.step]), values[None, self.indices(model)])

    def profile(
        self, model: ModelDescription, steps: NDArray[np.int64], values: NDArray[np.float64]
    ) -> Profile:
        """Returns values of `paths` as a profile.

        Args:
            model: The model.
            steps: int64 `[s]`, the steps.
            values: float64 `[s, p]`. NaN where nothing was recorded, infinite where a value is not
                finite.
        """
        paths, names = self.paths(model), chart_names(model)
        finite = np.where(np.isinf(values), np.nan, values)
        labels = tuple(names[path] for path in paths)
        return Profile(self.name, steps, paths, finite, ~np.isnan(values), labels)

    def position(self, value: float) -> float:
        """Returns the position of a value on an axis."""
        return math.log10(value) if self.scale == "log" else value

    def as_dict(self) -> dict[str, Any]:
        """Returns the description as JSON-serializable data."""
        return {
            "name": self.name,
            "label": self.label,
            "unit": self.unit,
            "scale": self.scale,
            "has_histograms": self.sketch is not None,
        }


def log10_axis(*values: NDArray[np.float64]) -> tuple[int, int]:
    """Returns the ends of a logarithmic axis for some magnitudes, as log10.

    Values that are zero, missing or not finite are ignored. A magnitude below the axis has its end.
    """
    together = np.concatenate([np.zeros(0), *(of.ravel() for of in values)])
    sizes = together[np.isfinite(together) & (together > 0)]
    if not len(sizes):
        return -_FEWEST_DECADES, 0
    low, high = math.floor(np.log10(sizes.min())), math.ceil(np.log10(sizes.max()))
    low = max(low, high - _MOST_DECADES)
    missing = max(_FEWEST_DECADES - (high - low), 0)
    return low - missing + missing // 2, high + missing // 2


def _norm(name: str) -> Read:
    return lambda numbers: numbers.norms.get(name)


def _rms(name: str) -> Read:
    return lambda numbers: numbers.rms.get(name)


def _value(name: str) -> Read:
    return lambda numbers: numbers.values.get(name)


def _update_ratio(numbers: Numbers) -> NDArray[np.float64] | None:
    """Returns the update ratios; NaN, as if not recorded, for a variable that was zero."""
    updates, weights = numbers.values.get("update_norms"), numbers.values.get("weight_norms")
    if updates is None or weights is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = np.where(weights == 0, np.nan, updates / weights)
    return np.where(np.isinf(updates) | np.isinf(weights), np.inf, ratios)


def _quantities() -> list[LayerQuantity]:
    found = [
        LayerQuantity(
            quantity.name,
            f"{quantity.name.replace('_', ' ')}, RMS",
            "layers" if quantity.of == "layers" else "variables",
            quantity.unit,
            "log",
            quantity.name,
            _rms(quantity.name),
        )
        for quantity in SKETCHES
    ]
    norms = [
        LayerQuantity(
            chart,
            f"{chart.removesuffix('_norm').replace('_', ' ')}s, L2 norm",
            CURVES[chart].of,  # type: ignore[arg-type]
            CURVES[chart].unit,
            "log",
            CURVES[chart].name,
            _norm(CURVES[chart].name),
        )
        for chart in ("activation_gradient_norm", "gradient_norm")
    ]
    ratio = LayerQuantity(
        "update_ratio", "update ratio", "variables", "1", "log", None, _update_ratio
    )
    fractions = [
        LayerQuantity(
            quantity.name,
            f"{quantity.name.replace('_', ' ')}, fraction",
            "layers",
            quantity.unit,
            "fraction",
            "activations",
            _value(quantity.name),
        )
        for quantity in NUMBERS
        if quantity.of == "layers" and quantity.unit == "1"
    ]
    first = ("activation_gradients", "gradients", "activations")
    found.sort(key=lambda quantity: (quantity.name not in first, *map(quantity.name.__ne__, first)))
    return [*found[: len(first)], ratio, *fractions, *norms, *found[len(first) :]]


LAYER_QUANTITIES = {quantity.name: quantity for quantity in _quantities()}
"""Every quantity that has a value for each layer or variable, the usual ones first."""

DEFAULT = "activation_gradients"
"""The quantity that is shown at first."""


def recorded_in(numbers: Numbers) -> list[str]:
    """Returns the names of the quantities in a record, in the order of the menu."""
    found = LAYER_QUANTITIES.items()
    return [name for name, quantity in found if quantity.read(numbers) is not None]


def first_common(recorded: Iterable[Collection[str]]) -> str | None:
    """Returns the usual quantity that all training runs recorded, or None if there is none.

    Args:
        recorded: The names of the quantities of each training run.
    """
    each = list(recorded)
    usual = (DEFAULT, "gradients")  # a monitor records outputs by default, and gradients always
    return next((name for name in usual if each and all(name in of for of in each)), None)

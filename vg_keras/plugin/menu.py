"""The quantities that the tab shows, from the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vg_keras.log.numbers import Numbers
from vg_keras.quantities import NUMBERS, SKETCHES
from vg_keras.record import ModelDescription

Read = Callable[[Numbers], NDArray[np.float64] | None]
"""Returns the values of all variables or layers in a record, or None if they were not recorded.

NaN where nothing was recorded, infinite where a value is not finite."""


@dataclass(frozen=True)
class Entry:
    """A quantity in the menu.

    Args:
        name: Its name in requests.
        label: Its name on the page.
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

    def paths(self, model: ModelDescription) -> tuple[str, ...]:
        """Returns the paths that are shown: layers, or kernels if the model has any."""
        return model.outputs if self.of == "layers" else model.kernels or model.variables

    def as_dict(self) -> dict[str, Any]:
        """Returns what the page needs to know."""
        return {
            "name": self.name,
            "label": self.label,
            "unit": self.unit,
            "scale": self.scale,
            "has_histograms": self.sketch is not None,
        }


def _rms(name: str) -> Read:
    return lambda numbers: numbers.rms.get(name)


def _value(name: str) -> Read:
    return lambda numbers: numbers.values.get(name)


def _update_ratio(numbers: Numbers) -> NDArray[np.float64] | None:
    """Returns the update ratios; NaN, as if not recorded, for a variable that was zero."""
    updates, weights = numbers.values.get("update_norms"), numbers.values.get("weight_norms")
    if updates is None or weights is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(weights == 0, np.nan, updates / weights)
    is_bad = (np.isnan(updates) & ~np.isnan(weights)) | np.isinf(ratios)
    return np.where(is_bad, np.inf, ratios)


def _entries() -> list[Entry]:
    found = [
        Entry(
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
    ratio = Entry("update_ratio", "update ratio", "variables", "1", "log", None, _update_ratio)
    fractions = [
        Entry(
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
    found.sort(key=lambda entry: (entry.name not in first, *map(entry.name.__ne__, first)))
    return [*found[: len(first)], ratio, *fractions, *found[len(first) :]]


MENU = {entry.name: entry for entry in _entries()}
"""Every quantity that has a value for each layer or variable, the usual ones first."""

DEFAULT = "activation_gradients"
"""The quantity that is shown at first."""
"""The quantity that is shown at first."""

"""Compares training runs layer by layer: one quantity, at one step of each.

Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vg_keras.layer_matching import matched_layers
from vg_keras.log.chart_names import without_position
from vg_keras.profiles import Profile

MAX_RUNS = 8
"""Training runs in a picture, a report or the tab: as many as colors that can be told apart."""


@dataclass(frozen=True)
class ComparedLayer:
    """A layer or variable of several training runs.

    Args:
        label: Its name in the first training run that has it: without its position in the model if
            the training runs have different layers.
        labels: Its name in each training run; None where it has no counterpart.
        values: Its value in each. NaN where nothing was recorded, infinite where it is not finite.
    """

    label: str
    labels: tuple[str | None, ...]
    values: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The last value divided by the first one.

        Infinite if only the first one is finite; NaN if it is zero or not finite, or one of them
        was not recorded.
        """
        first, last = self.values[0], self.values[-1]
        return last / first if 0 < first < math.inf and not last < 0 else math.nan


@dataclass(frozen=True)
class Comparison:
    """One quantity of several training runs, layer by layer.

    Args:
        steps: The step of each training run.
        layers: The layers, from the input to the output.
        is_by_name: Whether all layers were matched by name; otherwise some were by position.
    """

    steps: tuple[int, ...]
    layers: tuple[ComparedLayer, ...]
    is_by_name: bool


def compare(profiles: Sequence[Profile], step: int | None = None) -> Comparison:
    """Compares training runs at one step.

    Args:
        profiles: The same quantity of each training run, with at least one record.
        step: The step: the last recorded one of each that is not later. The last one of all by
            default.

    Raises:
        ValueError: If nothing was recorded at or before the step.
    """
    rows = [profile.row_at(step) for profile in profiles]
    depths, is_by_name = matched_layers([profile.labels for profile in profiles])
    columns = [{depth: column for column, depth in enumerate(of_run)} for of_run in depths]
    are_same = len({profile.labels for profile in profiles}) == 1
    layers = []
    for depth in sorted({depth for of_run in depths for depth in of_run}):
        places = [of_run.get(depth) for of_run in columns]
        found = list(zip(profiles, rows, places, strict=True))
        labels = tuple(None if c is None else profile.labels[c] for profile, _, c in found)
        values = tuple(
            math.nan if c is None else profile.value(row, c) for profile, row, c in found
        )
        first = next(label for label in labels if label is not None)
        label = first if are_same else without_position(first)
        layers.append(ComparedLayer(label, labels, values))
    steps = tuple(int(p.steps[row]) for p, row in zip(profiles, rows, strict=True))
    return Comparison(steps, tuple(layers), all(is_by_name))

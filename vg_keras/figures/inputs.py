"""What figures draw: one quantity of one training run or of several, each with a name."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vg_keras.layer_quantities import DEFAULT, LAYER_QUANTITIES
from vg_keras.profiles import Profile, profile
from vg_keras.record import Run, Training

Drawable = Training | Profile
"""A training run, or the values of one quantity over a training run."""

Several = Sequence[Drawable] | Mapping[str, Drawable] | Run
"""Several of them, which a mapping gives names to; or all of a log."""

Runs = Drawable | Several
"""What a figure takes."""


@dataclasses.dataclass(frozen=True)
class Drawn:
    """One quantity of one training run.

    Args:
        name: The name of the training run; empty if there is only one, and it has none.
        profile: The values.
    """

    name: str
    profile: Profile


def drawn(runs: Runs, quantity: str, *others: str) -> list[Drawn]:
    """Returns what to draw, in the order of the arguments.

    Of a training run that has kernels, only these are drawn, from the input to the output. In a
    `Profile`, everything is drawn.

    Args:
        runs: What the caller of a figure passed.
        quantity: The name of the quantity, for training runs; see `vg_keras.profile`.
        *others: Quantities to draw instead if none of the training runs has it.

    Raises:
        TypeError: If anything else was passed.
        ValueError: If there is nothing to draw, or no such quantity.
    """
    found = [Drawn(name, _profile(run, quantity)) for name, run in _named(runs).items()]
    is_empty = not any(one.profile.recorded.any() for one in found)
    if is_empty and others:
        return drawn(runs, *others)
    if is_empty:
        words = label_of(found[0].profile.quantity) if found else quantity
        raise ValueError(f"Expected a training run with records of {words}. Received: {runs!r}.")
    return found


def _named(runs: Runs) -> dict[str, Drawable]:
    if isinstance(runs, Training | Profile):
        return {"": runs}
    if isinstance(runs, Mapping):
        return {str(name): run for name, run in runs.items()}
    if isinstance(runs, Run):
        runs = runs.trainings
    if not isinstance(runs, Sequence):
        raise TypeError(
            "`runs` must be a training run, such as `monitor.run.latest`, or several of them. "
            f"Received: runs={runs!r}."
        )
    names = [run.model.name if isinstance(run, Training) else run.quantity for run in runs]
    number_of: Counter[str] = Counter()
    unique = {}
    for name, run in zip(names, runs, strict=True):
        number_of[name] += 1
        unique[f"{name} ({number_of[name]})" if names.count(name) > 1 else name] = run
    return unique


def _profile(run: Drawable, quantity: str) -> Profile:
    if isinstance(run, Profile):
        return run
    found, kernels = profile(run, quantity), run.model.kernels
    return found.only(kernels) if set(found.paths) & set(kernels) else found


def label_of(quantity: str) -> str:
    """Returns the name of a quantity in words."""
    known = LAYER_QUANTITIES.get(quantity)
    return known.label if known else quantity.replace("_", " ")


def axis_label(quantity: str) -> str:
    """Returns the label of an axis: the quantity and its unit."""
    known = LAYER_QUANTITIES.get(quantity)
    unit = f"\n({known.unit})" if known and known.unit != "1" else ""
    return label_of(quantity) + unit


def axis_of(quantity: str, values: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Returns the ends of an axis for some values: log10 of magnitudes, or 0 and 1."""
    return LAYER_QUANTITIES.get(quantity, LAYER_QUANTITIES[DEFAULT]).axis(*values)


def is_fraction(quantity: str) -> bool:
    """Whether the values are from 0 to 1 and not magnitudes of any size."""
    known = LAYER_QUANTITIES.get(quantity)
    return known is not None and known.scale == "fraction"

"""What figures draw: one quantity of one training run or of several, each with a name."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vg_keras.layer_quantities import LAYER_QUANTITIES
from vg_keras.printable import shortened_apart
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
        name: A short name of the training run; empty if there is only one, and it has none.
        profile: The values.
        number: Its place among the training runs, which decides its color.
    """

    name: str
    profile: Profile
    number: int = 0


def drawn(
    runs: Runs, *quantities: str, by_path: bool = False, complete: bool = False
) -> list[Drawn]:
    """Returns what to draw, in the order of the arguments.

    If a training run has kernels, only these are drawn of its variables. A `Profile` is drawn as it
    is.

    Args:
        runs: The argument of the figure.
        *quantities: The names of quantities, see `vg_keras.profile`: the first one that all
            training runs have is drawn.
        by_path: Whether the figure needs a value for each layer or variable.
        complete: Whether to include layers of which nothing was recorded.

    Raises:
        TypeError: If `runs` contains anything else.
        ValueError: If there is nothing to draw, or a training run lacks the quantity.
    """
    named = _named(runs)
    for quantity in quantities:
        found = [
            Drawn(name, _profile(run, quantity, complete), number)
            for number, (name, run) in enumerate(named)
        ]
        lacking = [one.name for one in found if not one.profile.recorded.any()]
        if found and not lacking:
            return _checked(found, by_path)
    words = label_of(found[0].profile) if found else quantities[-1]
    if len(named) > len(lacking):
        raise ValueError(
            f"Expected records of {words} in every training run. "
            f"Received: none in {', '.join(lacking)}."
        )
    raise ValueError(f"Expected a training run with records of {words}. Received: {runs!r}.")


def _checked(found: list[Drawn], by_path: bool) -> list[Drawn]:
    names = list(dict.fromkeys(one.profile.quantity for one in found))
    if len(names) > 1:
        raise ValueError(f"All profiles must have one quantity. Received: {', '.join(names)}.")
    if by_path and any(one.profile.paths == ("",) for one in found):
        raise ValueError(
            "`quantity` must have a value for each layer or variable. "
            f"Received: quantity={names[0]!r}. `figures.by_step` draws it."
        )
    return found


def _named(runs: Runs) -> list[tuple[str, Drawable]]:
    if isinstance(runs, Training | Profile):
        return [("", runs)]
    if isinstance(runs, Run):
        runs = runs.trainings
    is_mapping = isinstance(runs, Mapping)
    if not (is_mapping or isinstance(runs, Sequence)) or isinstance(runs, str):
        raise _refused(runs)
    each: list[Any] = list(runs.values()) if isinstance(runs, Mapping) else list(runs)
    for run in each:
        if not isinstance(run, Training | Profile):
            raise _refused(run)
    names = [str(name) for name in runs] if is_mapping else _names(each)
    return list(zip(shortened_apart(names), each, strict=True))


def _refused(received: object) -> TypeError:
    return TypeError(
        "`runs` must be a training run, such as `monitor.run.latest` or `read_run(log_dir).latest`,"
        f" or several of them. Received: {received!r}."
    )


def _names(runs: Sequence[Drawable]) -> list[str]:
    """Returns the names of the models, or of the quantities of profiles, with numbers if alike."""
    names = [run.model.name if isinstance(run, Training) else run.quantity for run in runs]
    number_of: Counter[str] = Counter()
    found = []
    for name in names:
        number_of[name] += 1
        found.append(f"{name} ({number_of[name]})" if names.count(name) > 1 else name)
    return found


def _profile(run: Drawable, quantity: str, is_complete: bool) -> Profile:
    if isinstance(run, Profile):
        return run
    found, model = profile(run, quantity), run.model
    has_kernels = set(found.paths) & set(model.kernels)
    if not is_complete or found.paths == ("",):
        return found.only(model.kernels) if has_kernels else found
    is_of_layers = set(found.paths) <= set(model.outputs)
    others = model.outputs if is_of_layers else model.variables
    return found.over(model.kernels if has_kernels else others, model)


def label_of(drawn: Profile) -> str:
    """Returns the name of a quantity in words."""
    known = LAYER_QUANTITIES.get(drawn.quantity)
    words = drawn.quantity.replace("_", " ")
    if drawn.statistic not in ("", "rms"):
        return f"{words}, {drawn.statistic.replace('_', ' ')}"
    return known.label if known else words


def axis_label(drawn: Profile) -> str:
    """Returns the label of an axis: the quantity and its unit."""
    known = LAYER_QUANTITIES.get(drawn.quantity)
    unit = f"\n({known.unit})" if known and known.unit != "1" else ""
    return label_of(drawn) + unit


def is_fraction(drawn: Profile) -> bool:
    """Whether the values are from 0 to 1 and not magnitudes of any size."""
    known = LAYER_QUANTITIES.get(drawn.quantity)
    return known is not None and known.scale == "fraction"

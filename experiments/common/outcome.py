"""What an experiment found: an answer, figures, numbers, and each claim beside what came out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Check:
    """A claim or a published number beside ours.

    Args:
        what: What is measured, in words that stand alone.
        source: Who says so: a publication, or "claim 3" of the article behind this project.
        published: The number or the claim, as it is printed there.
        ours: What came out. NaN holds nowhere.
        low: The least value at which the claim holds.
        high: The greatest.
        form: How the three numbers are printed, as in `format`.
    """

    what: str
    source: str
    published: str
    ours: float
    low: float = -math.inf
    high: float = math.inf
    form: str = ".3g"

    @classmethod
    def near(
        cls,
        what: str,
        source: str,
        expected: float,
        ours: float,
        tolerance: float = 0.1,
        form: str = ".3f",
    ) -> Check:
        """Returns the check whether ours is a number, up to a relative tolerance.

        Args:
            what: As in the class.
            source: Likewise.
            expected: What ours should be.
            ours: What came out.
            tolerance: How far from it ours may be, relative to it.
            form: How all of them are printed.
        """
        room = abs(tolerance * expected)
        printed = format(expected, form)
        return cls(what, source, printed, ours, expected - room, expected + room, form)

    @property
    def held(self) -> bool:
        """Whether our number is within the band."""
        return self.low <= self.ours <= self.high

    @property
    def band(self) -> str:
        """The band in words."""
        low, high = format(self.low, self.form), format(self.high, self.form)
        if math.isinf(self.low):
            return f"at most {high}"
        if math.isinf(self.high):
            return f"at least {low}"
        return low if self.low == self.high else f"{low} to {high}"

    @property
    def printed(self) -> str:
        """Our number as it is printed."""
        return format(self.ours, self.form)


def counted(flags: Iterable[bool], values: Any) -> float:
    """Returns how many are true; NaN if one of the values behind them is not finite."""
    return float(sum(flags)) if np.all(np.isfinite(values)) else math.nan


@dataclass(frozen=True)
class Outcome:
    """What an experiment found.

    Args:
        answer: The answer to its question, in a sentence or two with the numbers.
        figures: By name; a figure is saved as NAME.png and NAME.svg.
        checks: Every claim that it tests, held or not.
        numbers: What results.json holds beside: everything that the figures show.
        settings: What the outcome depends on.
    """

    answer: str
    figures: Mapping[str, Figure]
    checks: Sequence[Check]
    numbers: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError if two checks are called alike: a table could not tell them apart."""
        names = [check.what for check in self.checks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Expected a name of its own for each check. Twice: {twice}.")

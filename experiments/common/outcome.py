"""Results of an experiment: an answer, figures, numbers, and checks of claims."""

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
    """A claim or a published number compared with our result.

    Args:
        what: What is measured, in self-contained words.
        source: Source of the claim: a publication, or "claim 3" of the article behind this project.
        published: The number or the claim, as printed in the source.
        ours: Our result. With NaN the claim never holds.
        low: The smallest value at which the claim holds.
        high: The largest value at which the claim holds.
        form: Format of the three numbers, as in `format`.
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
        """Returns a check that our result equals a number up to a relative tolerance.

        Args:
            what: As in the class.
            source: As in the class.
            expected: The expected number.
            ours: Our result.
            tolerance: Allowed relative deviation from the expected number.
            form: Format of all numbers.
        """
        room = abs(tolerance * expected)
        printed = format(expected, form)
        return cls(what, source, printed, ours, expected - room, expected + room, form)

    @property
    def held(self) -> bool:
        """Whether our result is within the band."""
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
        """Our result, formatted."""
        return format(self.ours, self.form)


def counted(flags: Iterable[bool], values: Any) -> float:
    """Returns how many conditions are true; NaN if any of the underlying values is not finite."""
    return float(sum(flags)) if np.all(np.isfinite(values)) else math.nan


@dataclass(frozen=True)
class Outcome:
    """Results of an experiment.

    Args:
        answer: The answer to its question, in one or two sentences with the numbers.
        figures: Figures by name; each is saved as NAME.png and NAME.svg.
        checks: Every tested claim, whether it holds or not.
        numbers: Further content of results.json: everything that the figures show.
        settings: Settings that determine the outcome.
    """

    answer: str
    figures: Mapping[str, Figure]
    checks: Sequence[Check]
    numbers: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError if two checks have the same name, which a table could not show."""
        names = [check.what for check in self.checks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Expected a name of its own for each check. Twice: {twice}.")

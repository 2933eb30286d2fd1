"""Results of an experiment: an answer, a figure, numbers, and checks of claims."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from matplotlib.figure import Figure

Results = dict[str, dict[Any, Any]]
"""Results by the name of what was compared, such as an activation."""


@dataclass(frozen=True)
class Check:
    """A claim or an expected number compared with our result.

    The source is where a reader can look up or compute the expectation: a publication, a formula, a
    program in this repository, or "claim 3" of experiments/README.md.
    """

    what: str  # is measured, in self-contained words
    source: str
    expected: str  # the number, or the claim in words
    ours: float  # with NaN the claim never holds
    low: float = -math.inf  # the smallest value at which the claim holds
    high: float = math.inf  # the largest
    form: str = ".3g"  # of the three numbers, as in `format`

    @classmethod
    def near(
        cls,
        what: str,
        source: str,
        expected: float,
        ours: float,
        tolerance: float = 0.1,
        form: str = ".3f",
    ) -> Self:
        """Returns a check that our result equals a number up to a relative tolerance."""
        room = abs(tolerance * expected)
        printed = format(expected, form)
        return cls(what, source, printed, float(ours), expected - room, expected + room, form)

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


Checks = Iterator[Check]
"""What the function `checks` of an experiment yields."""


def counted(flags: Iterable[bool], values: Any) -> float:
    """Returns how many conditions are true; NaN if any of the underlying values is not finite."""
    return float(sum(flags)) if np.all(np.isfinite(values)) else math.nan


@dataclass(frozen=True)
class Outcome:
    """Results of an experiment.

    The findings are parts of the answer that depend on the digits: a page shows those of the subset
    beside them.
    """

    answer: str  # in a few sentences; refers to `findings` by name, in braces: see `answered`
    checks: Sequence[Check]  # of every tested claim, whether it holds or not
    numbers: Mapping[str, Any]  # everything that the figure shows, for results.json
    settings: Mapping[str, Any]  # those that determine the outcome
    figure: Figure | None = None  # saved as NAME.png
    findings: Mapping[str, str] = field(default_factory=dict)
    table: Sequence[Mapping[str, str]] = ()  # for the page: each row maps headings to cells

    @property
    def answered(self) -> str:
        """The answer with the findings in place of their names."""
        return self.answer.format_map(self.findings)

    def __post_init__(self) -> None:
        """Raises ValueError if two checks have the same name, which a table could not show."""
        names = [check.what for check in self.checks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Expected a name of its own for each check. Twice: {twice}.")

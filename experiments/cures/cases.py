"""Cases of sickness, and how often advice cured them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.common.confidence import wilson
from experiments.cures.advice import in_general
from experiments.cures.expected import GOAL
from experiments.cures.judgement import ENOUGH, Gap

_SEED_OF_CHOICE = 0
"""The seed on which the faults were planted and the advice was put in order."""


@dataclass(frozen=True)
class Case:
    """A sick network and what became of it.

    Args:
        code: The rule that describes the planted fault.
        name: The fault in words.
        seed: The seed.
        gap: The outcomes without treatment.
        found: The codes of the diagnoses, the most serious first.
        advice: The advice of the first of them, the most promising first.
        closed: The part of the gap that each advice closes; NaN if it was not tried, because the
            first one cures.
        is_restored: Whether the first advice restores the settings of the twin exactly, so that it
            must cure.
    """

    code: str
    name: str
    seed: int
    gap: Gap
    found: tuple[str, ...]
    advice: tuple[str, ...]
    closed: tuple[float, ...]
    is_restored: bool = False

    @property
    def is_cured(self) -> bool:
        """Whether the first advice cures."""
        return bool(self.closed) and self.closed[0] >= ENOUGH

    @property
    def is_curable(self) -> bool:
        """Whether any advice cures."""
        return any(part >= ENOUGH for part in self.closed)

    def as_dict(self) -> dict[str, Any]:
        """Returns the case as JSON-serializable data."""
        return {
            "code": self.code,
            "fault": self.name,
            "seed": self.seed,
            "sick": self.gap.sick,
            "healthy": self.gap.healthy,
            "found": self.found,
            "is_restored": self.is_restored,
            "advice": dict(zip(self.advice, self.closed, strict=True)),
        }


def by_code(cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """Returns how often advice cures, for each planted kind of sickness and in total.

    Networks that learn as well as their twins in spite of the fault are left out.
    """
    sick = [case for case in cases if case.gap.is_sick]
    codes = list(dict.fromkeys(case.code for case in sick))
    table = {code: _counted([case for case in sick if case.code == code]) for code in codes}
    return table | {"all": _counted(sick)}


def _counted(cases: Sequence[Case]) -> dict[str, Any]:
    first = sum(case.is_cured for case in cases)
    return {
        "cases": len(cases),
        "diagnosed": sum(bool(case.found) for case in cases),
        "as planted": sum(case.code in case.found for case in cases),
        "cured by the first advice": first,
        "cured by any advice": sum(case.is_curable for case in cases),
        "interval": wilson(first, len(cases)),
    }


def rows(cases: Sequence[Case]) -> list[dict[str, str]]:
    """Returns the table of the page: a row for each planted kind of sickness, and the total."""
    sick = [case for case in cases if case.gap.is_sick]
    table = []
    for code, counted in by_code(cases).items():
        low, high = counted["interval"]
        number = counted["cases"]
        of_code = [case for case in sick if case.code == code]
        table.append(
            {
                "planted": code,
                "sick networks": f"{number}",
                "diagnosed": f"{counted['diagnosed']}",
                "with this code": f"{counted['as planted']}",
                "first advice: how often it cures": " ".join(_first_advice(of_code)),
                "cured by the first advice": f"{counted['cured by the first advice']}",
                "95% interval": f"{low:.0%} to {high:.0%}",
                "cured by any advice": f"{counted['cured by any advice']}",
            }
        )
    return table


def _first_advice(cases: Sequence[Case]) -> list[str]:
    """Returns each first advice, with the number of networks that it cures."""
    given: dict[str, list[bool]] = {}
    for case in cases:
        if case.advice:
            text = in_general(case.advice[0])
            given.setdefault(text, []).append(case.is_cured)
    return [f"{text} ({sum(cured)} of {len(cured)})" for text, cured in given.items()]


def findings(cases: Sequence[Case]) -> dict[str, str]:
    """Returns the parts of the answer, by name."""
    table = by_code(cases)
    total = table.pop("all")
    number, diagnosed = total["cases"], total["diagnosed"]
    first = "cured by the first advice"
    low, high = total["interval"]
    sick = [case for case in cases if case.gap.is_sick]
    others = [case for case in sick if not case.is_restored]
    unseen = [case for case in sick if case.seed != _SEED_OF_CHOICE]
    cured = {case.name for case in sick if case.is_cured}
    below = [
        f"{code} ({row[first]} of {row['cases']})"
        for code, row in table.items()
        if row[first] < GOAL * row["cases"]
    ]
    return {
        first: f"{total[first]} of {number} ({_percent(total[first], number)}, "
        f"95% interval {low:.0%} to {high:.0%})",
        "cured by any advice": f"{total['cured by any advice']} of {number}",
        "diagnosed": f"{diagnosed} of {number}",
        "cured where diagnosed": _percent(total[first], diagnosed),
        "cured where the twin is not restored": _of(others),
        "cured with other seeds": _of(unseen),
        "below the goal": ", ".join(below) or "none",
        "never cured": "; ".join(dict.fromkeys(c.name for c in sick if c.name not in cured))
        or "none",
    }


def _of(cases: Sequence[Case]) -> str:
    number = sum(case.is_cured for case in cases)
    return f"{number} of {len(cases)} ({_percent(number, len(cases))})"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "0%"

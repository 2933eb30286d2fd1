"""Decides by the outcome which runs are sick, and counts how often the diagnoses are right."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from experiments.common.confidence import wilson
from experiments.diagnosis_record.faults import FAULTS, FOUR_KINDS
from experiments.diagnosis_record.generator import Run

LEARNS = 0.5
"""Fraction of the loss of the best constant answer that a healthy run must remove at least.

The limit is ours, as is the next one.
"""

FAR_LESS = 0.5
"""Fraction of what its twin has learned below which a run is sick."""

RULE_OF = {
    "vanishing": "VG101",
    "exploding": "VG102",
    "dead": "VG201",
    "non-finite": "VG301",
    "large rate": "VG402",
    "tiny rate": "VG401",
    "saturated": "VG202",
    "alike": "VG502",
    "disconnected": "VG501",
    "regularization": "VG103",
}
"""The rule that is made for each kind of fault."""

FOUR_RULES = tuple(RULE_OF[kind] for kind in FOUR_KINDS)
PUBLISHED_KIND = {
    "vanishing": "vanishing",
    "exploding": "exploding",
    "dead": "dead",
    "non-finite": "exploding",
}
"""The kind of a published rule that finds each of the four kinds of faults."""


@dataclass(frozen=True)
class Rate:
    """A fraction of runs.

    Args:
        hits: How many of them.
        number: How many there are.
    """

    hits: int
    number: int

    @classmethod
    def of(cls, flags: Iterable[bool]) -> Rate:
        """Counts conditions."""
        flags = list(flags)
        return cls(sum(flags), len(flags))

    @property
    def value(self) -> float:
        """The fraction; NaN if there are no runs."""
        return self.hits / self.number if self.number else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% confidence interval; NaN if there are no runs."""
        return wilson(self.hits, self.number) if self.number else (math.nan, math.nan)

    def __str__(self) -> str:
        """Returns the fraction, the numbers and the interval."""
        low, high = self.interval
        return f"{self.value:.0%} ({self.hits} of {self.number}, {low:.0%} to {high:.0%})"

    def as_dict(self) -> dict[str, Any]:
        """Returns everything for results.json."""
        return {"hits": self.hits, "number": self.number, "interval": list(self.interval)}


@dataclass(frozen=True)
class Judged:
    """A run, what became of it, and what the rules say.

    Args:
        run: The run.
        learned: What it has learned; see `training.Trained`.
        twin_learned: What its healthy twin has learned.
        ours: Our diagnoses, the most serious first: code, first step, paths.
        published: For each published system, the first step at which each kind of rule fires.
    """

    run: Run
    learned: float
    twin_learned: float
    ours: Sequence[Mapping[str, Any]]
    published: Mapping[str, Mapping[str, int]]

    @property
    def kind(self) -> str:
        """The kind of the planted fault, or "healthy"."""
        return FAULTS[self.run.fault].kind if self.run.fault else "healthy"

    @property
    def state(self) -> str:
        """What the outcome says: "healthy", "sick", "harmless" or "undecided".

        Nothing is known of a run whose twin does not learn. A fault is harmless if the run learns
        nevertheless.
        """
        if not self.twin_learned >= LEARNS:
            return "undecided"
        if not self.run.fault:
            return "healthy"
        return "sick" if self.learned < FAR_LESS * self.twin_learned else "harmless"

    @property
    def verdict(self) -> str:
        """The code of the most serious diagnosis, or "none"."""
        return self.ours[0]["code"] if self.ours else "none"

    @property
    def right(self) -> Mapping[str, Any] | None:
        """The most serious diagnosis that names the planted fault, or None."""
        codes = FAULTS[self.run.fault].codes if self.run.fault else frozenset()
        return next((found for found in self.ours if found["code"] in codes), None)

    @property
    def is_named(self) -> bool | None:
        """Whether the right diagnosis names the planted layer first.

        None if there is no right diagnosis, or the fault is in no single layer.
        """
        if self.right is None or not (at := FAULTS[self.run.fault].at.format(self.run.place)):
            return None
        first = self.right["paths"][0]
        return bool(first == at or first.startswith(f"{at}/"))

    def has(self, codes: Iterable[str]) -> bool:
        """Whether one of these rules says something."""
        return any(found["code"] in codes for found in self.ours)


def joined(results: Iterable[Mapping[str, Any]]) -> list[Judged]:
    """Puts every run beside its twin."""
    names = {field.name for field in fields(Run)}
    runs = [(Run(**{name: result["run"][name] for name in names}), result) for result in results]
    learned = {run.number: result["learned"] for run, result in runs if not run.fault}
    return [
        Judged(run, result["learned"], learned[run.number], result["ours"], result["published"])
        for run, result in runs
    ]


def sick(runs: Iterable[Judged], kinds: Iterable[str] = FOUR_KINDS) -> list[Judged]:
    """Returns the sick runs with a fault of these kinds."""
    return [run for run in runs if run.state == "sick" and run.kind in kinds]


def healthy(runs: Iterable[Judged]) -> list[Judged]:
    """Returns the healthy twins that have learned."""
    return [run for run in runs if run.state == "healthy"]


def summary(runs: Sequence[Judged]) -> dict[str, Any]:
    """Returns all rates of some runs."""
    return {
        "together": _of_rules(runs, FOUR_KINDS, FOUR_RULES),
        "by_kind": {kind: _of_rules(runs, [kind], [rule]) for kind, rule in RULE_OF.items()},
        "any_rule_on_healthy": Rate.of(bool(run.ours) for run in healthy(runs)),
        "published": published_rates(runs),
        "confusion": confusion(runs),
        "states": dict(Counter(run.state for run in runs)),
    }


def _of_rules(runs: Sequence[Judged], kinds: Sequence[str], codes: Sequence[str]) -> dict[str, Any]:
    affected = sick(runs, kinds)
    found = [run.right for run in affected if run.right is not None]
    named = [run.is_named for run in affected if run.is_named is not None]
    return {
        "recall": Rate.of(run.right is not None for run in affected),
        "false_alarms": Rate.of(run.has(codes) for run in healthy(runs)),
        "named": Rate.of(named),
        "steps": statistics.median([f["first_step"] for f in found]) if found else math.nan,
    }


def published_rates(runs: Sequence[Judged]) -> dict[str, dict[str, Rate]]:
    """Returns recall and false alarms of each published system.

    As for ours, only the rules on vanishing and exploding gradients and dead units count, and a run
    is found if one of the right kind fires. With "all", every rule counts.
    """
    kinds = set(PUBLISHED_KIND.values())
    rates = {}
    for system in runs[0].published if runs else ():
        rates[system] = {
            "recall": Rate.of(
                PUBLISHED_KIND[run.kind] in run.published[system] for run in sick(runs)
            ),
            "false_alarms": Rate.of(
                not kinds.isdisjoint(run.published[system]) for run in healthy(runs)
            ),
            "recall_of_all": Rate.of(bool(run.published[system]) for run in sick(runs)),
            "false_alarms_of_all": Rate.of(bool(run.published[system]) for run in healthy(runs)),
        }
        for kind in ("vanishing", "exploding", "dead", "saturated", "updates"):
            fires = [kind in run.published[system] for run in healthy(runs)]
            rates[system][f"false_alarms_{kind}"] = Rate.of(fires)
    return rates


def confusion(runs: Sequence[Judged]) -> dict[str, dict[str, int]]:
    """Returns how often each verdict is given for each kind of fault and for healthy runs."""
    counts: dict[str, dict[str, int]] = {}
    for kind in (*RULE_OF, "healthy"):
        chosen = healthy(runs) if kind == "healthy" else sick(runs, [kind])
        counts[kind] = dict(Counter(run.verdict for run in chosen))
    return counts


def is_wrong(run: Judged) -> bool:
    """Whether a run is missed, or flagged although it is healthy."""
    if run.state == "sick":
        return run.right is None
    return run.state == "healthy" and bool(run.ours)

"""The goals, and what the published rules reach on the same records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.common.outcome import Check
from experiments.diagnosis_record.judgement import RULE_OF, Rate

RECALL, FALSE_ALARMS, NAMED = 0.95, 0.02, 0.9
"""The goals for the four common kinds of faults together. The numbers are ours."""

GOALS = "goals of this experiment, in experiments/diagnosis_record/expected.py"
SOURCES = {
    "AutoTrainer": "Zhang et al. 2021, AutoTrainer: an automatic DNN training problem detection "
    "and repair system, ICSE",
    "DeepDiagnosis": "Wardat et al. 2022, DeepDiagnosis: automatically diagnosing faults and "
    "recommending actionable fixes in deep learning programs, ICSE",
    "TheDeepChecker": "Ben Braiek and Khomh 2023, Testing feedforward neural networks training "
    "programs, TOSEM",
    "SageMaker": "Amazon SageMaker Debugger, list of built-in rules",
    "DEFault": "Jahan et al. 2025, Improved detection and diagnosis of faults in deep neural "
    "networks using hierarchical and explainable classification, ICSE",
}
"""The publication of each system's rules."""

Summary = Mapping[str, Any]


def checks(rates: Summary) -> list[Check]:
    """Compares the rates of some runs with the goals and with the published rules."""
    together = rates["together"]
    found = [
        _at_least("sick runs that are found, vanishing to non-finite", RECALL, together["recall"]),
        Check(
            "healthy runs that are flagged by one of these four rules, %",
            GOALS,
            f"at most {FALSE_ALARMS:.0%}",
            100 * together["false_alarms"].value,
            high=100 * FALSE_ALARMS,
            form=".1f",
        ),
        _at_least("found runs of which the planted layer is named first", NAMED, together["named"]),
    ]
    for kind, rule in RULE_OF.items():
        recall = rates["by_kind"][kind]["recall"]
        found.append(_at_least(f"{kind}, {rule}: sick runs that are found", RECALL, recall))
    limit = _youden(together)
    found += [
        Check(
            f"{system}: sick runs that it finds minus healthy runs that it flags, points",
            SOURCES[system],
            f"at most ours, {limit:.1f}",
            _youden(of_system),
            high=limit,
            form=".1f",
        )
        for system, of_system in rates["published"].items()
    ]
    return found


def _at_least(what: str, goal: float, rate: Rate) -> Check:
    expected = f"at least {goal:.0%}"
    return Check(f"{what}, %", GOALS, expected, 100 * rate.value, low=100 * goal, form=".1f")


def _youden(rates: Mapping[str, Rate]) -> float:
    """Youden's index in percent: 100 for a perfect test and 0 for a useless one."""
    return 100 * (rates["recall"].value - rates["false_alarms"].value)

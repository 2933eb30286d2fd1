"""Trains the runs of the generator and their twins, and judges what the rules say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.common.outcome import Outcome
from experiments.common.session import Session
from experiments.diagnosis_record.expected import checks
from experiments.diagnosis_record.figure import draw, percent
from experiments.diagnosis_record.generator import FIRST_HELD_OUT
from experiments.diagnosis_record.generator import draw as draw_run
from experiments.diagnosis_record.judgement import (
    Judged,
    Rate,
    is_wrong,
    joined,
    summary,
)
from experiments.diagnosis_record.training import carry_out


def run(session: Session) -> Outcome:
    """Trains every run and its twin, and counts how often the diagnoses are right."""
    chosen = session.options
    sick = [draw_run(chosen.seed + number) for number in range(chosen.num_runs)]
    runs = dict.fromkeys(one for run in sick for one in (run.twin, run))
    judged = joined(session.sweep(carry_out, [(run, chosen.steps) for run in runs]))
    rates = summary(judged)
    which = "no threshold was set on" if chosen.seed >= FIRST_HELD_OUT else "thresholds were set on"
    return Outcome(
        answer(rates, which),
        checks(rates),
        {
            "rates": _plain(rates),
            "wrong": [_row(one) for one in judged if is_wrong(one)],
            "runs": [_row(one) for one in judged],
        },
        {"num_runs": chosen.num_runs, "steps": chosen.steps, "seed": chosen.seed},
        draw(rates, f"Small training runs that {which}"),
    )


def answer(rates: Mapping[str, Any], which: str) -> str:
    """Returns the answer.

    Args:
        rates: The result of `judgement.summary`.
        which: Says which runs they are.
    """
    ours = rates["together"]
    published = rates["published"]
    others = ", ".join(
        f"{system} {percent(rates['recall'])} and {percent(rates['false_alarms'])}"
        for system, rates in published.items()
    )
    return (
        f"On runs that {which}, the rules find {ours['recall']} of those with a vanishing or "
        "exploding gradient, dead units, or NaN, and flag "
        f"{ours['false_alarms']} of the healthy ones. They name the planted layer first "
        f"in {ours['named']} of the runs found. The median verdict comes at step "
        f"{ours['steps']:.0f}. The published rules on the same records find and flag: {others}."
    )


def _row(one: Judged) -> dict[str, Any]:
    """Returns a run in one line for each of its aspects."""
    ours = [f"{d['code']} at step {d['first_step']}: {d['paths'][0]}" for d in one.ours]
    published = [
        f"{system}: {', '.join(f'{kind} at step {step}' for kind, step in found.items())}"
        for system, found in one.published.items()
        if found
    ]
    return {
        "number": one.run.number,
        "run": str(one.run),
        "state": one.state,
        "learned": one.learned,
        "ours": "; ".join(ours),
        "published": "; ".join(published),
    }


def _plain(value: Any) -> Any:
    """Returns a summary with its rates as plain numbers."""
    if isinstance(value, Rate):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value

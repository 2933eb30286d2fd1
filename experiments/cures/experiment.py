"""Trains sick networks, follows the advice of their diagnoses, and trains again."""

import math
from collections.abc import Iterable
from typing import Any

from experiments.common.outcome import Outcome
from experiments.common.session import Session
from experiments.cures.advice import apply
from experiments.cures.cases import Case, by_code, findings, rows
from experiments.cures.expected import GOAL, checks
from experiments.cures.figure import draw
from experiments.cures.judgement import ENOUGH, Gap
from experiments.cures.settings import Settings
from experiments.cures.sicknesses import SICKNESSES, Sickness
from experiments.cures.tasks import guess
from experiments.cures.training import train

Planted = tuple[Sickness, int]
"""A fault and a seed."""


def run(session: Session) -> Outcome:
    """Trains the sick networks, their twins, and the sick ones with advice applied."""
    chosen = session.options
    planted = [
        (one, seed)
        for seed in range(chosen.num_seeds)
        for one in SICKNESSES
        if one.code in chosen.codes
    ]
    sick = _trained(session, [one.sick(seed) for one, seed in planted], is_diagnosed=True)
    done = sick | _trained(session, [one.twin(seed) for one, seed in planted])
    found = [sick[one.sick(seed)]["diagnoses"] for one, seed in planted]
    applied = [_applied(*both) for both in zip(planted, found, strict=True)]
    done |= _trained(session, [s for each in applied for s in each[:1] if s not in done])
    cases = [_case(*both, done) for both in zip(planted, found, strict=True)]
    # Further advice is tried only where the first one does not cure.
    missed = [each for each, case in zip(applied, cases, strict=True) if not case.is_cured]
    done |= _trained(session, [s for each in missed for s in each[1:] if s not in done])
    cases = [_case(*both, done) for both in zip(planted, found, strict=True)]
    table = by_code(cases)
    return Outcome(
        ANSWER,
        checks(table),
        {"by_code": table, "cases": [case.as_dict() for case in cases]},
        {"num_seeds": chosen.num_seeds, "epochs": chosen.epochs, "codes": list(chosen.codes)},
        draw(table),
        findings(cases),
        rows(cases),
    )


def _trained(
    session: Session, settings: Iterable[Settings], is_diagnosed: bool = False
) -> dict[Settings, dict[str, Any]]:
    """Trains each of some networks once, and returns what `training.train` returns of it."""
    different = list(dict.fromkeys(settings))
    runs = [(one, session.options.epochs, is_diagnosed) for one in different]
    return dict(zip(different, session.sweep(train, runs), strict=True))


def _applied(planted: Planted, diagnoses: list[dict[str, Any]]) -> list[Settings]:
    """Returns the sick settings with each advice of the first diagnosis applied by itself."""
    sickness, seed = planted
    advice = diagnoses[0]["advice"] if diagnoses else ()
    return [apply(one, sickness.sick(seed)) for one in advice]


def _case(
    planted: Planted, diagnoses: list[dict[str, Any]], done: dict[Settings, dict[str, Any]]
) -> Case:
    """Returns what became of a sick network, as far as its treatments have been trained."""
    sickness, seed = planted
    sick, twin = sickness.sick(seed), sickness.twin(seed)
    gap = Gap(done[sick]["outcome"], done[twin]["outcome"], guess(twin))
    advice = diagnoses[0]["advice"] if diagnoses else ()
    closed = [
        gap.closed(done[applied]["outcome"]) if applied in done else math.nan
        for applied in _applied(planted, diagnoses)
    ]
    return Case(
        sickness.code,
        sickness.name,
        seed,
        gap,
        tuple(one["code"] for one in diagnoses),
        tuple(advice),
        tuple(closed),
        _applied(planted, diagnoses)[:1] == [twin],
    )


ANSWER = f"""\
The first advice cures {{cured by the first advice}} of the sick networks, and some advice of the \
first diagnosis cures {{cured by any advice}}. A network is cured if advice closes at least \
{ENOUGH:.0%} of the gap to its healthy twin, on a logarithmic scale of the loss. Something is \
diagnosed in {{diagnosed}}; where it is, the first advice cures {{cured where diagnosed}}. Where \
the advice does not simply restore the settings of the twin, it cures \
{{cured where the twin is not restored}}. The advice was put in order on seed 0; with other seeds \
it cures {{cured with other seeds}}. \
Kinds of sickness below {GOAL:.0%}: {{below the goal}}. Faults whose first advice never cures: \
{{never cured}}."""

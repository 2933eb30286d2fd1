"""Trains sick networks, follows the advice of their diagnoses, and trains again."""

from collections.abc import Iterable
from typing import Any

from experiments.common.outcome import Outcome
from experiments.common.session import Session
from experiments.cures.advice import apply, pattern_of
from experiments.cures.cases import Case, by_code, findings
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
    healthy = _trained(session, [one.twin(seed) for one, seed in planted])
    found = {key: sick[one.sick(seed)]["diagnoses"] for key in planted for one, seed in [key]}
    # The further advice is tried only where the first one does not cure.
    first = [applied for key in planted for applied in _applied(key, found[key])[:1]]
    treated = sick | healthy
    treated |= _trained(session, [s for s in first if s not in treated])
    cases = [_case(key, found[key], treated) for key in planted]
    further = [
        applied
        for key, case in zip(planted, cases, strict=True)
        if not case.is_cured
        for applied in _applied(key, found[key])[1:]
    ]
    treated |= _trained(session, [s for s in further if s not in treated])
    cases = [_case(key, found[key], treated) for key in planted]
    table = by_code(cases)
    return Outcome(
        ANSWER,
        checks(table),
        {"by_code": table, "cases": [case.as_dict() for case in cases]},
        {"num_seeds": chosen.num_seeds, "epochs": chosen.epochs, "codes": list(chosen.codes)},
        draw(table),
        findings(cases),
    )


def _trained(
    session: Session, settings: Iterable[Settings], is_diagnosed: bool = False
) -> dict[Settings, dict[str, Any]]:
    """Trains each of some networks once, and returns what `training.train` returns of it."""
    different = list(dict.fromkeys(settings))
    runs = [(one, session.options.epochs, is_diagnosed) for one in different]
    return dict(zip(different, session.sweep(train, runs), strict=True))


def _applied(key: Planted, diagnoses: list[dict[str, Any]]) -> list[Settings]:
    """Returns the sick settings with each advice of the first diagnosis applied by itself."""
    sickness, seed = key
    advice = diagnoses[0]["advice"] if diagnoses else ()
    return [apply(one, sickness.sick(seed)) for one in advice]


def _case(
    key: Planted, diagnoses: list[dict[str, Any]], treated: dict[Settings, dict[str, Any]]
) -> Case:
    """Returns what became of a sick network, as far as its treatments have been trained."""
    sickness, seed = key
    sick, twin = sickness.sick(seed), sickness.twin(seed)
    gap = Gap(treated[sick]["outcome"], treated[twin]["outcome"], guess(twin))
    advice = diagnoses[0]["advice"] if diagnoses else ()
    closed = {
        pattern_of(text): gap.closed(treated[applied]["outcome"])
        for text, applied in zip(advice, _applied(key, diagnoses), strict=True)
        if applied in treated
    }
    return Case(
        sickness.code,
        sickness.name,
        seed,
        gap,
        tuple(one["code"] for one in diagnoses),
        tuple(advice),
        tuple(closed.values()),
    )


ANSWER = f"""\
The first advice cures {{cured by the first advice}} of the sick networks, and some advice of the \
first diagnosis cures {{cured by any advice}}. A network is cured if advice closes at least \
{ENOUGH:.0%} of the gap to its healthy twin, on a logarithmic scale of the loss. Something is \
diagnosed in {{diagnosed}}; where it is, the first advice cures {{cured where diagnosed}}. \
Kinds of sickness below {GOAL:.0%}: {{below the goal}}. Faults whose first advice never cures: \
{{never cured}}."""

"""The verdict in words and as data."""

import json

import pytest
from scripted import MODEL, by_layer, record_at
from scripted_records import training_of

from vg_keras.record import Settings
from vg_keras.rules import Diagnosis, Verdict, examine


def diagnosis(number):
    return Diagnosis(f"VG{number}", "bad", "error", "it is bad.", (), 0, 5, {}, ("Do this.", "Or."))


def test_a_healthy_run_is_told_what_was_examined():
    verdict = examine(training_of(record_at(0), record_at(7, by_layer(0.9)), model=MODEL))

    assert str(verdict) == (
        "GradientMonitor: no problem found in 2 records, steps 0 to 7.\n"
        "The first layer gets 0.66 times the gradient of the last hidden one (0.01 to 100 is "
        "usual)."
    )


def test_problems_are_told_with_their_first_advice():
    verdict = Verdict((diagnosis(1),), 1, 3, 3)

    assert str(verdict) == (
        "GradientMonitor: 1 problem found in 1 record, step 3.\n"
        "VG1 bad, steps 0 to 5: it is bad.\n"
        "  Try: Do this."
    )


def test_a_verdict_has_at_most_nine_lines():
    settings = Settings(quantities=("gradients",))
    not_applied = examine(training_of(model=MODEL, settings=settings)).not_applied
    lines = str(Verdict(tuple(map(diagnosis, range(6))), 9, 0, 9, 0.5, not_applied)).split("\n")

    assert len(lines) == 9
    assert lines[-2] == "... and 3 more: VG3, VG4, VG5."
    assert lines[-1].startswith("Not applied: VG502, VG101, VG201, VG202, ")


@pytest.mark.parametrize("verdict", [Verdict(), examine(training_of(model=MODEL))])
def test_nothing_recorded_is_no_verdict(verdict):
    assert str(verdict) == "GradientMonitor: nothing has been recorded yet."


def test_a_verdict_becomes_json():
    verdict = Verdict((diagnosis(1),), 9, 0, 9)

    assert json.loads(json.dumps(verdict.as_dict())) == {
        "num_records": 9,
        "first_step": 0,
        "last_step": 9,
        "first_to_last": None,
        "diagnoses": [json.loads(json.dumps(diagnosis(1).as_dict()))],
        "not_applied": [],
    }

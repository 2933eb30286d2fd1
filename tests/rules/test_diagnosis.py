"""How a diagnosis reads."""

import json
import math

import pytest

from vg_keras.rules import Diagnosis


@pytest.mark.parametrize(
    ("last_step", "steps"), [(1200, "step 1,200"), (1300, "steps 1,200 to 1,300")]
)
def test_a_diagnosis_reads_like_an_error_message(last_step, steps):
    advice = ("Do this.", "Do that.")
    diagnosis = Diagnosis("VG1", "bad", "error", "it is bad.", ("a",), 1200, last_step, {}, advice)

    assert str(diagnosis) == f"VG1 bad, {steps}: it is bad.\n  Try: Do this.\n  Try: Do that."


def test_the_cause_stands_before_the_advice():
    diagnosis = Diagnosis(
        "VG1", "bad", "error", "it is bad.", (), 0, 0, {}, ("Do it.",), "It is so."
    )

    assert str(diagnosis) == "VG1 bad, step 0: it is bad.\n  Why: It is so.\n  Try: Do it."


def test_a_diagnosis_becomes_json():
    diagnosis = Diagnosis("VG1", "bad", "error", "it.", ("a",), 0, 5, {"x": math.inf}, ("Do it.",))

    assert json.loads(json.dumps(diagnosis.as_dict())) == {
        "code": "VG1",
        "name": "bad",
        "severity": "error",
        "message": "it.",
        "paths": ["a"],
        "first_step": 0,
        "last_step": 5,
        "evidence": {"x": None},
        "advice": ["Do it."],
        "cause": "",
        "page": diagnosis.page,
    }

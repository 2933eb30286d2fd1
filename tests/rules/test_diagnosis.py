"""How a diagnosis reads."""

import pytest

from vg_keras.rules import Diagnosis


@pytest.mark.parametrize(
    ("last_step", "steps"), [(1200, "step 1,200"), (1300, "steps 1,200 to 1,300")]
)
def test_a_diagnosis_reads_like_an_error_message(last_step, steps):
    advice = ("Do this.", "Do that.")
    diagnosis = Diagnosis("VG1", "bad", "error", "it is bad.", ("a",), 1200, last_step, {}, advice)

    assert str(diagnosis) == f"VG1 bad, {steps}: it is bad.\n  Try: Do this.\n  Try: Do that."

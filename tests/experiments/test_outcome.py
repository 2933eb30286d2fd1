"""Checks of claims: when they hold, and how they are saved."""

import json
import math

import numpy as np
import pytest

from experiments.common import running
from experiments.common.outcome import Check, Outcome
from experiments.common.session import Session
from experiments.common.sweep import Work


@pytest.mark.parametrize(
    ("ours", "held"), [(1.0, True), (2.0, True), (0.999, False), (2.001, False), (math.nan, False)]
)
def test_a_claim_holds_within_its_band(ours, held):
    assert Check("x", "y", "1.5", ours, 1.0, 2.0).held is held


def test_a_band_is_described_in_words():
    bands = [Check("", "", "", 0, *ends).band for ends in ((1, 2), (1,), (-math.inf, 2), (3, 3))]

    assert bands == ["1 to 2", "at least 1", "at most 2", "3"]


def test_two_checks_of_one_name_are_rejected():
    with pytest.raises(ValueError, match=r"Twice: \['x'\]"):
        Outcome("", [Check("x", "", "", 0), Check("x", "", "", 1)], {}, {})


def test_an_answer_contains_its_findings():
    assert Outcome("Yes: {a b} of 3.", [], {}, {}, findings={"a b": "2"}).answered == "Yes: 2 of 3."


def test_results_are_valid_json_whatever_the_numbers_are(tmp_path):
    numbers = {"a": np.float32(0.1), "b": [math.nan, np.inf], "c": np.arange(2), 0.5: (1, "x")}
    outcome = Outcome("Yes.", [Check("what", "source", "1", math.nan, 0, 1)], numbers, {})
    work = Work(tmp_path, None, "cpu")
    running.save(outcome, Session("depth", None, None, "CPU", work, [1.5, 2.0]), tmp_path)
    text = (tmp_path / "results.json").read_text()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    saved = {"what": "what", "source": "source", "expected": "1", "ours": None, "printed": "nan"}
    saved |= {"band": "0 to 1", "held": False}

    assert content["numbers"] == {"a": 0.1, "b": [None, None], "c": [0, 1], "0.5": [1, "x"]}
    assert content["checks"] == [saved]
    assert content["question"].endswith("?")
    assert content["data"] is None
    assert content["seconds_of_all_runs"] == 3.5

"""Checks of claims: when they hold, and how they are saved."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.common import running
from experiments.common.outcome import Check, Outcome
from experiments.common.sweep import Work


@pytest.mark.parametrize(
    ("ours", "held"),
    [(1.0, True), (2.0, True), (0.999, False), (2.001, False), (math.nan, False)],
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


def saved(folder: Path, **changed):
    """Saves an outcome into a new folder."""
    folder.mkdir()
    figure = Figure()
    figure.subplots().plot([1, 2], [3, 4])
    fields = {"answer": "Yes.", "checks": [], "numbers": {}, "settings": {}, "figure": figure}
    session = SimpleNamespace(
        name="depth", work=Work(folder, None, "cpu"), device="CPU", seconds=[1.5, 2.0]
    )
    running.save(Outcome(**fields | changed), session, folder)
    return (folder / "results.json").read_text(), (folder / "depth.png").read_bytes()


def test_results_are_valid_json_whatever_the_numbers_are(tmp_path):
    numbers = {"a": np.float32(0.1), "b": [math.nan, np.inf], "c": np.arange(2), 0.5: (1, "x")}
    check = Check("what", "source", "1", math.nan, 0, 1)
    text, _ = saved(tmp_path / "a", numbers=numbers, checks=[check])
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    assert content["numbers"] == {"a": 0.1, "b": [None, None], "c": [0, 1], "0.5": [1, "x"]}
    assert content["checks"][0] == {
        "what": "what",
        "source": "source",
        "expected": "1",
        "ours": None,
        "printed": "nan",
        "band": "0 to 1",
        "held": False,
    }
    assert content["question"].endswith("?")
    assert content["data"] is None
    assert content["seconds_of_all_runs"] == 3.5


def test_equal_results_give_equal_files(tmp_path):
    assert saved(tmp_path / "a") == saved(tmp_path / "b")

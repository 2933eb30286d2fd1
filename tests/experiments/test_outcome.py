"""Checks of claims: when they hold, and how they are reported."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.common import saving
from experiments.common.outcome import Check, Outcome


@pytest.mark.parametrize(
    ("ours", "held"),
    [(1.0, True), (2.0, True), (0.999, False), (2.001, False), (math.nan, False)],
)
def test_a_claim_holds_within_its_band(ours, held):
    assert Check("x", "y", "1.5", ours, 1.0, 2.0).held is held


def test_a_band_is_described_in_words():
    bands = [Check("", "", "", 0, *ends).band for ends in ((1, 2), (1,), (-math.inf, 2), (3, 3))]

    assert bands == ["1 to 2", "at least 1", "at most 2", "3"]


def session(data=None):
    experiment = SimpleNamespace(__doc__="Does it?\n\nMore.")
    return SimpleNamespace(
        experiment=experiment, name="toy", data=data, device="CPU", seconds=[1.5, 2.0]
    )


def outcome(**changed):
    figure = Figure()
    figure.subplots().plot([1, 2], [3, 4])
    fields = {"answer": "Yes.", "figures": {"toy": figure}, "checks": [], "numbers": {}}
    return Outcome(**fields | changed)


def test_results_are_valid_json_whatever_the_numbers_are(tmp_path):
    numbers = {"a": np.float32(0.1), "b": [math.nan, np.inf], "c": np.arange(2), 0.5: (1, "x")}
    check = Check("what", "source", "1", math.nan, 0, 1)
    saving.save(outcome(numbers=numbers, checks=[check]), session(), tmp_path)
    text = (tmp_path / "results.json").read_text()
    results = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    assert results["numbers"] == {"a": 0.1, "b": [None, None], "c": [0, 1], "0.5": [1, "x"]}
    assert results["checks"][0]["ours"] is None
    assert results["checks"][0]["held"] is False
    assert results["question"] == "Does it?"
    assert results["data"] is None
    assert results["seconds_of_all_runs"] == 3.5


def test_the_same_figure_gives_the_same_file(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        saving.save(outcome(), session(), tmp_path / name)

    assert (tmp_path / "a/toy.svg").read_bytes() == (tmp_path / "b/toy.svg").read_bytes()
    assert (tmp_path / "a/toy.png").read_bytes() == (tmp_path / "b/toy.png").read_bytes()

"""Committed results, their figures and the README are consistent."""

import json

import pytest

from experiments.common import readme
from experiments.common.catalogue import EXPERIMENTS, question


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_has_its_results_and_figures(name):
    folder = readme.RESULTS / name
    results = json.loads((folder / "results.json").read_text())

    assert results["question"] == question(name)
    assert results["checks"]
    assert results["figures"]
    for figure in results["figures"]:
        assert (folder / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / f"{figure}.svg").read_text()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments_on_digits_were_run_on_all_of_mnist_and_on_the_subset(name):
    folder = readme.RESULTS / name
    data = json.loads((folder / "results.json").read_text())["data"]

    assert (folder / "subset.json").exists() == (data is not None)
    if data:
        subset = json.loads((folder / "subset.json").read_text())["data"]
        assert data["name"].startswith("MNIST")
        assert subset["name"].startswith("5,000-digit subset")


def test_the_readme_matches_the_results():
    text = readme.README.read_text()

    assert readme.BEGIN in text
    assert readme.updated(text) == text


def test_the_table_has_a_row_for_every_claim():
    text = readme.README.read_text()
    for name in EXPERIMENTS:
        checks = json.loads((readme.RESULTS / name / "results.json").read_text())["checks"]

        assert text.count(f"\n| **{name}**: ") == len(checks)

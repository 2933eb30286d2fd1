"""Committed results, their figures and their pages are consistent."""

import pytest

from experiments.common import pages
from experiments.common.catalogue import EXPERIMENTS, FOLDER, question


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_has_its_results_figure_and_page(name):
    results, subset = (pages.read(FOLDER / name, f) for f in ("results.json", pages.SUBSET_FILE))
    page = (FOLDER / name / "README.md").read_text()

    assert results["question"] == question(name)
    assert (FOLDER / name / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert page == pages.page(results, subset)[1:] + "\n"
    assert page.partition("numbers hold.")[2].count("\n| ") == 1 + len(results["checks"]) > 1


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments_on_digits_were_run_on_all_of_mnist_and_on_the_subset(name):
    results, subset = (pages.read(FOLDER / name, f) for f in ("results.json", pages.SUBSET_FILE))

    assert (subset is None) == (results["data"] is None)
    if subset:
        for found in (results, subset):
            assert found["findings"]
            assert all(part in found["answer"] for part in found["findings"].values())
        assert results["data"]["name"].startswith("MNIST")
        assert subset["data"]["name"].startswith("5,000-digit subset")


def test_no_number_cites_what_a_reader_cannot_look_up():
    sources = [c["source"] for name in EXPERIMENTS for c in pages.read(FOLDER / name)["checks"]]

    assert len(sources) > 150
    assert [source for source in sources if "for this project" in source or not source] == []


def test_the_readme_matches_the_results():
    text = pages.README.read_text()

    assert pages.BEGIN in text
    assert pages.updated(text) == text


CHECK = {"what": "a|b", "source": "s", "expected": "1", "printed": "2", "band": "1 to 3"}
RESULTS = {"name": "n", "question": "q?", "answer": "a.", "checks": [CHECK | {"held": True}]}


def test_the_numbers_of_the_subset_are_shown_beside_those_of_the_whole():
    results = RESULTS | {"findings": {"f": "1 of 2", "g": "5"}}
    other = CHECK | {"printed": "9", "band": "5 to 6", "held": False}
    subset = RESULTS | {"checks": [other], "findings": {"f": "2 of 2", "g": "5"}}
    *lines, row = pages.page(results, subset).splitlines()
    begin = lines.index("| in the answer | on the subset of 5,000 digits |")

    assert lines[begin + 2 : begin + 4] == ["| f | 2 of 2 |", ""]
    assert row == r"| a\|b | s | 1 | 2 | 1 to 3 | yes | 9 (range 5 to 6) ✗ |"


def test_a_table_of_results_is_shown():
    table = [{"kind": "x|y", "number": "1"}, {"kind": "all", "number": "2"}]
    lines = pages.page(RESULTS | {"table": table}, None).splitlines()
    begin = lines.index("| kind | number |")

    assert lines[begin + 1 : begin + 5] == ["|---|---|", r"| x\|y | 1 |", "| all | 2 |", ""]

"""The rules on real training runs of a few seconds: see `small_runs.py`."""

import fnmatch
import functools

import pytest
from healthy_runs import HEALTHY
from sick_runs import SICK
from small_runs import train

from vg_keras.rules import diagnose

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("graphs_as_traced"),
    pytest.mark.filterwarnings("ignore:Gradients do not exist"),  # planted: see VG501
]

RUNS = HEALTHY | SICK
TWINS = [name for name, run in SICK.items() if run.worse is not None]


@functools.cache
def result(name):
    """Trains a run once for all tests."""
    return train(RUNS[name])


def diagnoses(name):
    return {diagnosis.code: diagnosis for diagnosis in diagnose(result(name).training)}


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_found_in_a_healthy_run(name):
    assert {code: str(d) for code, d in diagnoses(name).items()} == {}


@pytest.mark.parametrize("name", SICK)
def test_the_planted_fault_is_found_where_it_is(name):
    run, found = SICK[name], diagnoses(name)

    expected = run.codes & found.keys()
    assert expected
    assert found.keys() <= run.codes | run.besides
    assert any(fnmatch.fnmatch(found[code].paths[0], run.at) for code in expected)


@pytest.mark.parametrize("name", TWINS)
def test_a_sick_run_learns_far_less_than_its_twin(name):
    run = SICK[name]

    assert result(name).outcome > run.worse * result(run.twin).outcome


@pytest.mark.parametrize("name", RUNS)
def test_rules_have_enough_records_to_judge_by(name):
    assert 20 <= len(result(name).training.records) <= 80

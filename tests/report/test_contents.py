"""What a report says of a training run: its verdict, its settings, and how it compares."""

import dataclasses
import math

import pytest
from handmade_logs import write_log
from logged_runs import DIAGNOSIS, SETTINGS, VERDICT, record, training, write_two

from vg_keras.cost import Cost
from vg_keras.logged_runs import find_all, read
from vg_keras.record import OptimizerDescription
from vg_keras.report import contents
from vg_keras.report.contents import comparison, section, settings, worst_first
from vg_keras.rules import Verdict


@pytest.fixture
def runs(tmp_path):
    write_two(tmp_path)
    return read(find_all([str(tmp_path)]))


def with_verdict(run, verdict):
    run.training = dataclasses.replace(run.training, verdict=verdict)
    return run


def test_the_verdict_in_the_log_is_reported(runs):
    found = section(with_verdict(runs[1], VERDICT))

    assert found.verdict is VERDICT
    assert found.notes == (
        "The log is incomplete: the training run is still in progress or was interrupted.",
    )
    assert found.severity == "error"
    assert found.marked == {"net/a"}
    assert found.layers_step == 9
    assert [row.path for row in found.layers] == ["net/a", "net/b", "net/c"]


def test_records_after_the_verdict_are_examined(runs):
    found = section(with_verdict(runs[1], Verdict((), 9, 0, 8)))

    assert found.verdict.num_records == 10
    assert "VG301" in [diagnosis.code for diagnosis in found.verdict.diagnoses]


def test_too_many_records_to_examine_are_counted(runs, monkeypatch):
    monkeypatch.setattr(contents, "MAX_EXAMINED", 9)
    some = section(with_verdict(runs[0], Verdict((), 3, 0, 2)))
    none = section(with_verdict(runs[1], None))

    assert some.verdict.num_records == 3
    assert some.notes[0] == (
        "The log has a verdict on 3 of its 10 records. Run `vg-keras diagnose` to examine them."
    )
    assert none.verdict is None
    assert none.notes[0].startswith("The log has no verdict on its 10 records.")
    assert none.title == "No verdict"
    assert none.severity == "unknown"


def test_the_worst_comes_first(runs):
    healthy = section(with_verdict(runs[0], Verdict((), 10, 0, 9)))
    warning = dataclasses.replace(DIAGNOSIS, severity="warning")
    warned = section(with_verdict(runs[1], Verdict((warning,), 10, 0, 9)))
    sick = section(with_verdict(runs[1], VERDICT))

    assert healthy.severity == "none"
    assert worst_first([healthy, warned, sick]) == [sick, warned, healthy]


def test_training_runs_are_compared_by_the_first_quantity_that_all_have(runs):
    label, found = comparison(runs)

    assert label == "activation gradients, RMS"
    assert found.layers[0].values == (0.5, 0)
    assert found.layers[1].values == (1, math.inf)
    assert comparison(runs[:1]) is None


def test_settings_are_told_in_words(runs):
    found = settings(runs[0])

    assert found["Model"] == "net, 3 monitored layers"
    assert found["Began"] == "1970-01-01 00:00:10 UTC"
    assert found["Records"] == "10 records, steps 0 to 9"
    assert found["Loss"] == "mse"
    assert found["Training loss"] == "2 at step 0, 1.1 at step 9"
    assert found["Optimizer"] == "SGD, learning rate 0.1, momentum 0.9"
    assert found["Batch size"] == "32"
    assert "Damage" not in found
    assert "Cost of monitoring" not in found


def test_what_is_rare_is_told_too(tmp_path):
    two = (OptimizerDescription("Adam", None), OptimizerDescription("SGD", 0.5))
    described = training(settings=dataclasses.replace(SETTINGS, optimizers=two))
    write_log(tmp_path / "gradients", [], described)
    (run,) = read(find_all([str(tmp_path)]))
    empty = settings(run)

    assert empty["Optimizer 1"] == "Adam"
    assert empty["Optimizer 2"] == "SGD, learning rate 0.5"
    assert empty["Records"] == "none"
    assert "Recorded" not in empty


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1.2, "12.3% of the training time in 1 second; the first records cost the most, 2.5 MB"),
        (1200, "12.3% of the training time in 20 minutes, 2.5 MB"),
        (10_000, "12.3% of the training time in 3 hours, 2.5 MB"),
    ],
)
def test_the_cost_is_told_with_the_time_that_it_is_a_fraction_of(tmp_path, seconds, expected):
    last = dataclasses.replace(record(5, 1, 2, 3), wall_time=10.0 + seconds)
    write_log(tmp_path / "gradients", [last], training(began=10.0))
    (run,) = read(find_all([str(tmp_path)]))
    cost = Cost(0.1234, 1.0, 1, 2_500_000, 10)
    run.training = dataclasses.replace(run.training, cost=cost)

    assert settings(run)["Cost of monitoring"] == f"{expected} on disk"


def test_only_what_there_are_records_of_is_said_to_be_recorded(tmp_path):
    every = ("gradients", "activations", "dead_units", "loss", "examples")
    described = training(settings=dataclasses.replace(SETTINGS, quantities=every))
    without = dataclasses.replace(record(0, 1, 2, 3), loss=None, dead_units={})
    write_log(tmp_path / "gradients", [without], described)
    (run,) = read(find_all([str(tmp_path)]))

    assert settings(run)["Recorded"] == "gradients, activations, examples"


def test_a_resumed_run_says_so(tmp_path):
    write_log(tmp_path / "gradients", [record(1500, 1, 2, 3)], training(resumed_from=1500))
    (run,) = read(find_all([str(tmp_path)]))

    assert settings(run)["Records"] == "1 record, step 1,500, resumed from step 1,500"

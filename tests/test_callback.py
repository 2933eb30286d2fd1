"""GradientMonitor by what it keeps and what reaches the disk."""

import os
import pickle
from pathlib import Path

import pytest
from event_files import PAYLOADS, event_files, events_in, tags_in
from reference import weights_of
from small_models import CallAt, compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor

PATHS = [
    "sequential/dense/kernel",
    "sequential/dense/bias",
    "sequential/dense_1/kernel",
    "sequential/dense_1/bias",
]


def trained(monitor, num_batches=3):
    fit(compiled(mlp(depth=1)), *regression_data(num_batches), [monitor])
    return monitor


def all_tags(kinds, paths=PATHS):
    return {f"{kind}/{path}" for kind in kinds for path in paths}


def test_every_chart_of_every_variable_reaches_the_disk(tmp_path):
    trained(GradientMonitor(tmp_path, "batch"))

    kinds = ["gradients", "log10_gradients", "gradient_norm"]
    assert tags_in(tmp_path) == all_tags(kinds) | PAYLOADS


@pytest.mark.parametrize(
    ("off", "left"),
    [
        ("write_gradients", ["log10_gradients", "gradient_norm"]),
        ("write_log10_gradients", ["gradients", "gradient_norm"]),
        ("write_gradient_norms", ["gradients", "log10_gradients"]),
    ],
)
def test_a_chart_that_is_switched_off_does_not(tmp_path, off, left):
    trained(GradientMonitor(tmp_path, "batch", **{off: False}))

    assert tags_in(tmp_path) == all_tags(left) | PAYLOADS


def test_with_all_charts_off_the_records_are_written_all_the_same(tmp_path):
    off = ["write_gradients", "write_log10_gradients", "write_gradient_norms"]
    trained(GradientMonitor(tmp_path, "batch", **dict.fromkeys(off, False)))

    assert tags_in(tmp_path) == PAYLOADS


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (None, PATHS),
        ("*/kernel", [PATHS[0], PATHS[2]]),
        ("sequential/dense/*", PATHS[:2]),
        (["*dense_1/kernel", "*dense/bias"], [PATHS[1], PATHS[2]]),
        (("*/bias",), [PATHS[1], PATHS[3]]),
        (lambda variable: len(variable.shape) == 2, [PATHS[0], PATHS[2]]),
    ],
)
def test_variables_are_chosen(tmp_path, variables, expected):
    monitor = trained(GradientMonitor(tmp_path, "batch", variables))

    assert list(monitor.records[0].gradients) == expected
    assert tags_in(tmp_path) >= all_tags(["gradient_norm"], expected)
    assert not tags_in(tmp_path) & all_tags(["gradient_norm"], set(PATHS) - set(expected))


def test_each_recorded_step_is_one_event_with_all_its_values(tmp_path):
    trained(GradientMonitor(tmp_path, "batch"))

    first, model, *records = events_in(tmp_path)
    assert first.file_version == "brain.Event:2"
    assert {value.tag for value in model.summary.value} == PAYLOADS - {"vg_keras/record"}
    assert [event.step for event in records] == [0, 1, 2]
    assert [len(event.summary.value) for event in records] == [1 + 3 * 4] * 3


def test_each_fit_has_a_file_of_its_own_in_one_run(tmp_path):
    model = compiled(mlp(depth=0))
    monitor = GradientMonitor(tmp_path, 2)
    for _ in range(3):
        fit(model, *regression_data(2), [monitor])

    files = event_files(tmp_path)
    assert [file.parent for file in files] == [tmp_path / "gradients"] * 3
    assert [[e.step for e in events_in(file.parent)] for file in files[:1]] == [
        [0, 0, 0, 0, 2, 2, 0, 4, 4]
    ]


def test_the_log_dir_may_be_a_string_or_a_path(tmp_path):
    trained(GradientMonitor(str(tmp_path / "a")))
    trained(GradientMonitor(tmp_path / "b"))

    assert len(event_files(tmp_path / "a" / "gradients")) == 1
    assert len(event_files(tmp_path / "b" / "gradients")) == 1


def test_logs_go_to_logs_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained(GradientMonitor())

    assert [file.parent for file in event_files(tmp_path)] == [tmp_path / "logs" / "gradients"]


def test_without_a_log_dir_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monitor = trained(GradientMonitor(log_dir=None))

    assert list(tmp_path.iterdir()) == []
    assert len(monitor.records) == 1


def test_a_relative_log_dir_stays_where_it_was_when_training_began(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    move = CallAt("on_train_batch_end", lambda model: os.chdir(tmp_path / "elsewhere"))
    fit(compiled(mlp(depth=0)), *regression_data(3), [GradientMonitor("logs", "batch"), move])

    assert len(events_in(tmp_path / "logs")) == 2 + 3


def test_making_a_monitor_writes_nothing(tmp_path):
    GradientMonitor(tmp_path / "logs")

    assert list(tmp_path.iterdir()) == []


def test_the_file_is_closed_when_training_ends(tmp_path):
    trained(GradientMonitor(tmp_path))

    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("needs /proc")
    open_files = {str(d.readlink()) for d in descriptors.iterdir() if d.is_symlink()}
    assert not [file for file in open_files if str(tmp_path) in file]


def test_records_can_be_pickled():
    monitor = trained(GradientMonitor(None, "batch"))
    records = pickle.loads(pickle.dumps(monitor.records))

    assert [r.step for r in records] == [0, 1, 2]
    assert [r.gradients[PATHS[0]].moments for r in records] == [
        r.gradients[PATHS[0]].moments for r in monitor.records
    ]


def test_of_two_monitors_the_second_says_once_that_it_records_nothing():
    def trained_with(monitors):
        model = compiled(mlp(depth=0))
        fit(model, *regression_data(3), monitors)
        return weights_of(model)

    first, second = GradientMonitor(None, "batch"), GradientMonitor(None, "batch")
    with pytest.warns(UserWarning, match="Another GradientMonitor") as caught:
        weights = trained_with([first, second])

    (warning,) = caught
    assert str(warning.message) == (
        "Another GradientMonitor records a step of the model 'sequential', so this one does not. "
        "Give `fit` one monitor, or let them record at different steps."
    )
    assert [record.step for record in first.records] == [0, 1, 2]
    assert second.records == []
    assert weights == trained_with([])


def test_two_monitors_may_record_at_different_steps():
    first, second = GradientMonitor(None, 2), GradientMonitor(None, 3)
    with pytest.warns(UserWarning, match="Another GradientMonitor"):
        fit(compiled(mlp(depth=0)), *regression_data(6), [first, second])

    assert [record.step for record in first.records] == [0, 2, 4]
    assert [record.step for record in second.records] == [3]


def test_one_monitor_after_another_is_fine():
    model = compiled(mlp(depth=0))
    first, second = GradientMonitor(None, "batch"), GradientMonitor(None, "batch")
    fit(model, *regression_data(2), [first])
    fit(model, *regression_data(2), [second])

    assert [record.step for record in first.records] == [0, 1]
    assert [record.step for record in second.records] == [2, 3]

"""Copies of a monitor, many fits and several workers each write a run of their own."""

import copy
import json
import os
import pickle
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from small_models import compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor, read_run
from vg_keras.capture.devices import suffix_of_worker
from vg_keras.log.storage import directory_of_copy

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda m: pickle.loads(pickle.dumps(m))}
copies = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def files_in(directory):
    return sorted(str(p.relative_to(directory)) for p in Path(directory).rglob("*") if p.is_file())


def runs_in(directory):
    return sorted({os.path.dirname(name) for name in files_in(directory)})


def steps_of(records):
    return [record.step for record in records]


@copies
def test_a_used_monitor_is_copied_with_its_settings_and_records(tmp_path, copied):
    x, y = regression_data(3)
    monitor = GradientMonitor(
        tmp_path, 2, "*/kernel", activations=False, weights=True, probe=(x[:4], y[:4])
    )
    fit(compiled(mlp(depth=0)), x, y, [monitor])
    twin = copied(monitor)
    kept = steps_of(twin.records), steps_of(twin.probe_records)
    fit(compiled(mlp(depth=0)), x, y, [twin])

    assert kept == ([0, 2], [0, 2])
    assert twin.log_dir == str(tmp_path / "copy_1")
    assert steps_of(twin.records) == steps_of(twin.probe_records) == [0, 2]
    assert list(twin.records[0].gradients) == list(twin.records[0].weights)
    assert list(twin.records[0].gradients) == ["sequential/dense/kernel"]
    assert twin.records[0].activations == {}
    assert monitor.log_dir == str(tmp_path)
    assert steps_of(monitor.records) == [0, 2]


@copies
def test_a_copy_holds_no_reference_to_the_model(copied):
    model = compiled(mlp(depth=0))
    monitor = GradientMonitor(None)
    fit(model, *regression_data(1), [monitor])
    size = len(pickle.dumps(monitor)) - len(pickle.dumps(monitor.records))

    assert copied(monitor).model is None
    assert size < 3000


class Named(GradientMonitor):
    """A monitor with an attribute of its own."""

    def __init__(self, name):
        super().__init__(None)
        self.name = name


@copies
def test_a_copy_keeps_the_attributes_of_a_subclass(copied):
    assert copied(Named("mine")).name == "mine"


def test_each_copy_has_its_own_run(tmp_path):
    original = GradientMonitor(tmp_path, 100, probe=regression_data(1))
    for monitor in (copy.deepcopy(original), copy.deepcopy(original), original):
        model = compiled(mlp(depth=0))
        for _ in range(2):
            fit(model, *regression_data(1), [monitor])

    expected = [f"{copy}{run}" for copy in ("", "copy_1/", "copy_2/") for run in RUNS]
    assert runs_in(tmp_path) == sorted(expected)
    assert steps_of(read_run(tmp_path / "copy_2").latest.records) == [0]


RUNS = ("gradients", "probe")


def test_a_shallow_copy_has_its_own_run_too(tmp_path):
    monitor = GradientMonitor(tmp_path)
    twin = copy.copy(monitor)
    fit(compiled(mlp(depth=0)), *regression_data(1), [monitor])

    assert twin.records == []
    assert steps_of(monitor.records) == [0]


def test_a_copy_skips_existing_directories(tmp_path):
    (tmp_path / "copy_1").mkdir()
    (tmp_path / "copy_2").write_text("a file")

    assert directory_of_copy(str(tmp_path)) == str(tmp_path / "copy_3")


def test_a_copy_that_cannot_create_its_directory_warns(tmp_path):
    (tmp_path / "file").write_text("")
    monitor = copy.deepcopy(GradientMonitor(tmp_path / "file"))
    with pytest.raises(ValueError, match="`log_dir` must be a directory that can be created"):
        fit(compiled(mlp(depth=0)), *regression_data(1), [monitor])


def test_fits_with_nothing_to_write_leave_no_file(tmp_path):
    model = compiled(mlp(depth=0))
    monitor = GradientMonitor(tmp_path, 100)
    for _ in range(20):
        fit(model, *regression_data(6), [monitor])

    assert steps_of(monitor.records) == [0, 100]
    assert len(files_in(tmp_path)) == 2
    assert [steps_of(t.records) for t in read_run(tmp_path).trainings] == [[0], [100]]


def test_an_unwritable_log_directory_raises_before_training(tmp_path):
    (tmp_path / "gradients").write_text("a file")
    with pytest.raises(ValueError, match="Use another directory"):
        fit(compiled(mlp(depth=0)), *regression_data(1), [GradientMonitor(tmp_path)])


class Worker:
    """Fakes the strategy of one worker."""

    def __init__(self, task_type, task_id, jobs=("worker",)):
        spec = tf.train.ClusterSpec({job: ["localhost:1", "localhost:2"] for job in jobs})
        self.cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            spec, task_type=task_type, task_id=task_id
        )


@pytest.mark.parametrize(
    ("strategy", "suffix"),
    [
        (tf.distribute.get_strategy(), ""),
        (Worker("worker", 0), ""),
        (Worker("worker", 1), "_worker_1"),
        (Worker("chief", 0, ("chief", "worker")), ""),
        (Worker("worker", 0, ("chief", "worker")), "_worker_0"),
    ],
)
def test_the_chief_worker_writes_the_run_and_the_others_their_own(strategy, suffix):
    assert suffix_of_worker(strategy) == suffix


def test_each_scikit_learn_clone_has_its_own_run(tmp_path):
    base = pytest.importorskip("sklearn.base")

    class Estimator(base.BaseEstimator):
        def __init__(self, callbacks=()):
            self.callbacks = callbacks

        def fit(self, x, y):
            fit(compiled(mlp(depth=0)), x, y, self.callbacks)
            return self

    estimator = Estimator([GradientMonitor(tmp_path)]).fit(*regression_data(1))
    for _ in range(2):
        base.clone(estimator).fit(*regression_data(1))

    assert runs_in(tmp_path) == ["copy_1/gradients", "copy_2/gradients", "gradients"]


def test_each_keras_tuner_trial_has_its_own_run(tmp_path):
    keras_tuner = pytest.importorskip("keras_tuner")

    def build(hp):
        keras.utils.set_random_seed(0)
        units = hp.Int("units", 2, 8)
        return compiled(mlp(units=units))

    tuner = keras_tuner.RandomSearch(
        build, "loss", max_trials=3, directory=tmp_path / "tuner", seed=0, overwrite=True
    )
    x, y = regression_data(2)
    monitor = GradientMonitor(tmp_path / "logs")
    tuner.search(x, y, epochs=1, batch_size=8, verbose=0, callbacks=[monitor])

    assert runs_in(tmp_path / "logs") == [f"copy_{i}/gradients" for i in (1, 2, 3)]
    for i in (1, 2, 3):
        (record,) = read_run(tmp_path / "logs" / f"copy_{i}").latest.records
        assert record.step == 0


def test_several_monitors_and_fits_of_one_model_share_traces():
    model = compiled(mlp(depth=0))
    calls = []
    call = model.layers[0].call
    model.layers[0].call = lambda *args, **kwargs: calls.append(1) or call(*args, **kwargs)
    settings = [{}, {}, {"activations": ["*dense"]}, {"activations": ["*dense"]}]
    num_calls = []
    for how in settings:
        fit(model, *regression_data(2), [GradientMonitor(None, **how)])
        num_calls.append(len(calls))

    one, same, other, other_again = num_calls
    assert same == one
    assert other > same
    assert other_again == other


def test_monitors_that_share_a_trace_have_separate_records(tmp_path):
    x, y = regression_data(6)
    first, second = GradientMonitor(tmp_path / "1", 2), GradientMonitor(tmp_path / "2", 3)
    with pytest.warns(UserWarning, match="Another GradientMonitor"):
        fit(compiled(mlp()), x, y, [first, second])

    for monitor, steps in ((first, [0, 2, 4]), (second, [3])):
        assert steps_of(monitor.records) == steps
        assert steps_of(read_run(monitor.log_dir).latest.records) == steps
    # A monitor derives dead units from its own records only.
    assert [len(r.dead_units) for r in first.records] == [0, 1, 1]
    assert [len(r.dead_units) for r in second.records] == [0]


def test_cluster_settings_in_the_environment_alone_have_no_effect(tmp_path, monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    fit(compiled(mlp(depth=0)), *regression_data(1), [GradientMonitor(tmp_path)])

    assert runs_in(tmp_path) == ["gradients"]

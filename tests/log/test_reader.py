"""Records are read back exactly, to the last count and bit."""

import dataclasses
import json
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
from event_files import event_files, frames
from handmade_logs import record_of, write_log
from scripted_records import MODEL, all_contents, contents, full_record, training_of
from small_models import CallAt, compiled, fit, mlp, regression_data

from vg_keras import FormatVersionError, GradientMonitor, iter_records, read_run
from vg_keras.log import format as log_format
from vg_keras.log.reader import follow, stored_at
from vg_keras.record import Record, VariableDescription

pytestmark = pytest.mark.usefixtures("graphs_as_traced")


def steps_of(records):
    return [record.step for record in records]


def test_a_finished_log_holds_exactly_the_records(tmp_path):
    monitor = GradientMonitor(tmp_path, 2)
    fit(compiled(mlp(depth=1)), *regression_data(5), [monitor], epochs=2)
    run = read_run(tmp_path)

    assert all_contents(run.latest.records) == all_contents(monitor.records)
    assert [record.step for record in run.latest.records] == [0, 2, 4, 6, 8]
    assert run.damage == ()
    assert run.path == tmp_path
    assert not run.latest.is_unfinished


def test_a_log_preserves_nan_and_infinities(tmp_path):
    x, y = regression_data(3)
    x[9, 0], x[17, 0] = np.nan, 1e30
    monitor = GradientMonitor(tmp_path, "batch")
    fit(compiled(mlp(depth=0)), x, y, [monitor])
    run = read_run(tmp_path)

    assert [r.gradients["sequential/dense/bias"].nans for r in run.latest.records] == [0, 2, 2]
    assert all_contents(run.latest.records) == all_contents(monitor.records)


def test_a_log_describes_the_model(tmp_path):
    fit(compiled(mlp(depth=1)), *regression_data(1), [GradientMonitor(tmp_path)])
    model = read_run(tmp_path).latest.model

    assert model.name == "sequential"
    assert [(layer.path, layer.type, layer.activation) for layer in model.layers] == [
        ("sequential/dense", "Dense", "relu"),
        ("sequential/dense_1", "Dense", "linear"),
    ]
    assert [v for layer in model.layers for v in layer.variables] == [
        VariableDescription("sequential/dense/kernel", (4, 8), "float32"),
        VariableDescription("sequential/dense/bias", (8,), "float32"),
        VariableDescription("sequential/dense_1/kernel", (8, 2), "float32"),
        VariableDescription("sequential/dense_1/bias", (2,), "float32"),
    ]
    assert set(read_run(tmp_path).latest.settings.versions) == {"keras", "tensorflow"}


def test_a_log_in_progress_holds_what_has_been_recorded(tmp_path):
    monitor = GradientMonitor(tmp_path, "batch")
    seen = []

    def look(model):
        recorded = all_contents(monitor.records)  # blocks until they are written
        run = read_run(tmp_path)
        seen.append((all_contents(run.latest.records), recorded, run.damage))

    looks = [CallAt("on_epoch_end", look, at=0), CallAt("on_train_batch_end", look, at=4)]
    fit(compiled(mlp(depth=0)), *regression_data(3), [monitor, *looks], epochs=2)

    assert [len(read) for read, _, _ in seen] == [3, 5]
    for read, recorded, damage in seen:
        assert read == recorded
        assert damage == ()


def test_the_files_of_one_run_are_read_in_order(tmp_path):
    model = compiled(mlp(depth=0))
    monitor = GradientMonitor(tmp_path, 2)
    for _ in range(11):  # more than one digit
        fit(model, *regression_data(2), [monitor])

    assert len(event_files(tmp_path)) == 11
    assert [steps_of(t.records) for t in read_run(tmp_path).trainings] == [
        [step] for step in range(0, 22, 2)
    ]


@pytest.mark.parametrize("place", ["", "gradients", "gradients/events.out.tfevents.1.host"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_log_dir_a_run_or_a_file_can_be_read(tmp_path, place, kind):
    write_log(tmp_path / "gradients", [record_of(0), record_of(1)])
    run = read_run(kind(tmp_path / place))

    assert [record.step for record in run.latest.records] == [0, 1]
    assert run.path == tmp_path / place


def test_other_runs_in_a_log_dir_are_ignored(tmp_path):
    write_log(tmp_path / "gradients", [record_of(0)])
    write_log(tmp_path / "train", [record_of(7)])

    assert [record.step for record in read_run(tmp_path).latest.records] == [0]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_path_without_a_log_raises(tmp_path, make):
    path = tmp_path / "nothing"
    make(path)
    with pytest.raises(FileNotFoundError) as caught:
        read_run(path)

    assert str(caught.value) == (
        f"Expected a log directory of GradientMonitor. Received: {path}. There is no event "
        "file in it, nor in its subdirectory 'gradients'."
    )


def test_logs_below_a_path_without_one_are_listed(tmp_path):
    for name in ("b", "a"):
        write_log(tmp_path / "runs" / name / "gradients", [])
    with pytest.raises(FileNotFoundError) as caught:
        read_run(tmp_path)

    assert str(caught.value).endswith(
        f"Directories below it that contain a log: {tmp_path}/runs/a, {tmp_path}/runs/b."
    )


def test_an_empty_file_reads_as_an_empty_run(tmp_path):
    file = write_log(tmp_path, [], training=None)
    run = read_run(file)

    assert (run.trainings, run.damage) == ((), ())


def test_another_tools_log_has_no_records(tmp_path):
    import tensorflow as tf

    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        tf.summary.scalar("loss", 1.0, step=0)
    run = read_run(tmp_path)

    assert run.trainings == ()


def test_a_directory_named_like_an_event_file_is_skipped(tmp_path):
    write_log(tmp_path, [record_of(0)])
    (tmp_path / "tfevents.d").mkdir()

    assert [record.step for record in read_run(tmp_path).latest.records] == [0]


def test_a_log_of_a_newer_version_raises(tmp_path, monkeypatch):
    payload = json.loads(log_format.encode_training(training_of()))
    payload["format_version"] = log_format.FORMAT_VERSION + 1
    monkeypatch.setattr(log_format, "encode_training", lambda _: json.dumps(payload).encode())
    write_log(tmp_path, [record_of(0)])
    with pytest.raises(FormatVersionError) as caught:
        read_run(tmp_path)

    assert str(caught.value) == (
        "This log has format version 4, and the installed vg_keras reads versions up to 3. "
        "Upgrade vg_keras to read it."
    )


def test_reading_changes_nothing_on_disk(tmp_path):
    file = write_log(tmp_path, [record_of(0)])
    before = file.read_bytes(), list(tmp_path.iterdir())
    read_run(tmp_path)

    assert (file.read_bytes(), list(tmp_path.iterdir())) == before


def test_a_record_of_every_kind_is_read_back(tmp_path):
    write_log(tmp_path, [full_record(0), full_record(7)])
    run = read_run(tmp_path)

    assert all_contents(run.latest.records) == all_contents([full_record(0), full_record(7)])
    assert run.latest.model == MODEL


def test_everything_that_a_training_run_measures_is_read_back(tmp_path):
    x, y = regression_data(3)
    model = mlp(depth=2, activation="tanh")
    model.layers[0].kernel.regularizer = keras.regularizers.L2(0.1)
    model.layers[1].activation = keras.activations.relu
    monitor = GradientMonitor(
        tmp_path, "batch", weights=True, optimizer_state=True, probe=(x[:4], y[:4])
    )
    fit(compiled(model, "adam"), x, y, [monitor])
    run, probe = read_run(tmp_path), read_run(tmp_path / "probe")

    assert all_contents(run.latest.records) == all_contents(monitor.records)
    assert all_contents(probe.latest.records) == all_contents(monitor.probe_records)
    empty = [
        f.name for f in dataclasses.fields(Record) if not getattr(run.latest.records[-1], f.name)
    ]
    assert empty == ["without_gradient", "nonfinite_data"]
    assert run.latest.records[-1].nonfinite_data == 0
    assert run.latest.records[-1].loss > 0


VERSION_1 = Path(__file__).parent / "data" / "events.out.tfevents.format_version_1"


def test_a_log_of_version_1_still_has_its_norms():
    run = read_run(VERSION_1)

    assert run.damage == ()
    assert [record.step for record in run.latest.records] == [0, 2]
    assert [
        (r.gradients["sequential/dense/kernel"].norm, r.gradients["sequential/dense/bias"].norm)
        for r in run.latest.records
    ] == [(0.6309150517699186, 0.48734448345736703), (1.2851259465688576, 0.6850443264140168)]


def test_a_log_of_version_1_still_describes_its_model():
    model = read_run(VERSION_1).latest.model

    assert [layer.path for layer in model.layers] == ["sequential/dense", "sequential/dense_1"]
    assert model.variables == (
        "sequential/dense/kernel",
        "sequential/dense/bias",
        "sequential/dense_1/kernel",
        "sequential/dense_1/bias",
    )


def test_a_log_of_version_1_lacks_what_it_did_not_measure():
    run = read_run(VERSION_1)

    assert run.latest.model.outputs == ()
    for record in run.latest.records:
        assert list(record.gradients) == list(run.latest.model.variables)
        empty = Record(record.step, record.wall_time, record.gradients)
        assert contents(record) == contents(empty)


VERSION_2 = VERSION_1.with_name("events.out.tfevents.format_version_2")


def test_a_log_of_version_2_still_has_what_it_measured():
    run = read_run(VERSION_2)
    last = run.latest.records[-1]

    assert run.damage == ()
    assert [record.step for record in run.latest.records] == [0, 1, 2]
    assert {path: sketch.norm for path, sketch in last.gradients.items()} == {
        "small/dense/kernel": 0.91849428197163,
        "small/dense/bias": 0.33485328685510213,
        "small/dense_1/kernel": 0.9582669858618148,
        "small/dense_1/bias": 0.17645750487796738,
    }
    assert list(last.regularization_gradients) == ["small/dense/kernel"]
    assert list(last.weights) == list(last.gradients)
    assert (last.saturated_units, last.dead_units) == ({"small/dense_1": 0}, {"small/dense": 0})
    assert run.latest.model.outputs == ("small/dense", "small/dense_1")


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, [0, 2, 4, 6, 8]),
        ({"first": 3}, [4, 6, 8]),
        ({"stop": 4}, [0, 2]),
        ({"first": 2, "stop": 7}, [2, 4, 6]),
        ({"stride": 2}, [0, 4, 8]),
        ({"first": 1, "stride": 3}, [2, 8]),
    ],
)
def test_part_of_a_log_can_be_read(tmp_path, how, expected):
    write_log(tmp_path / "gradients", map(record_of, range(0, 10, 2)))

    assert steps_of(read_run(tmp_path, **how).latest.records) == expected
    assert steps_of(iter_records(tmp_path, **how)) == expected


@pytest.mark.parametrize("read", [read_run, iter_records])
def test_a_stride_must_be_positive(tmp_path, read):
    write_log(tmp_path / "gradients", [record_of(0)])
    with pytest.raises(ValueError, match="stride=0"):
        read(tmp_path, stride=0)


def test_reading_records_one_by_one_does_not_keep_all_in_memory(tmp_path):
    fit(compiled(mlp()), *regression_data(20), [GradientMonitor(tmp_path, "batch")])
    alive = []
    for record in iter_records(tmp_path):
        alive.append(weakref.ref(record))
        assert sum(one() is not None for one in alive) <= 2

    assert len(alive) == 20


def write_three_trainings(tmp_path):
    """Two training runs, the first of which has two files."""
    for name, steps, training in [
        ("1", (0, 1, 2), FIRST),
        ("2", (0, 1, 2, 3), SECOND),
        ("3", (3, 4, 5), FIRST),
    ]:
        records = map(record_of, steps)
        name = f"events.out.tfevents.{name}.host"
        write_log(tmp_path / "gradients", records, training, name=name)


FIRST, SECOND = training_of(id="first", began=1.0), training_of(id="second", began=2.0)


def test_a_training_run_can_span_several_files(tmp_path):
    write_three_trainings(tmp_path)
    run = read_run(tmp_path)

    assert [training.id for training in run.trainings] == ["first", "second"]
    assert [steps_of(t.records) for t in run.trainings] == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3]]


def test_a_stride_continues_across_the_files_of_a_training_run(tmp_path):
    write_three_trainings(tmp_path)
    run = read_run(tmp_path, stride=2)

    assert [steps_of(t.records) for t in run.trainings] == [[0, 2, 4], [0, 2]]
    assert steps_of(iter_records(tmp_path, "first", stride=2)) == [0, 2, 4]


def test_records_are_read_from_the_latest_training_run_by_default(tmp_path):
    write_three_trainings(tmp_path)

    assert steps_of(iter_records(tmp_path)) == [0, 1, 2, 3]
    assert steps_of(iter_records(tmp_path, "first")) == [0, 1, 2, 3, 4, 5]


def test_an_unknown_training_run_raises(tmp_path):
    write_three_trainings(tmp_path)
    with pytest.raises(ValueError, match="`training_id` must be the id") as caught:
        iter_records(tmp_path, "third")

    assert str(caught.value).endswith("in the log: first, second. Received: training_id='third'.")


def test_a_version_2_file_whose_model_changes_has_two_training_runs(tmp_path):
    old = VERSION_2.read_bytes()
    (tmp_path / VERSION_2.name).write_bytes(old + old[frames(VERSION_2)[0][1] :])
    run = read_run(tmp_path)

    assert [training.id for training in run.trainings] == [VERSION_2.name, f"{VERSION_2.name}#2"]
    assert [steps_of(training.records) for training in run.trainings] == [[0, 1, 2]] * 2


def test_a_resumed_training_run_records_where_it_resumed(tmp_path):
    model = compiled(mlp())
    fit(model, *regression_data(3), [GradientMonitor(tmp_path, "batch")])
    model.optimizer.iterations.assign(2)
    fit(model, *regression_data(3), [GradientMonitor(tmp_path, "batch")])
    first, second = read_run(tmp_path).trainings

    assert (steps_of(first.records), steps_of(second.records)) == ([0, 1, 2], [2, 3, 4])
    assert (first.resumed_from, second.resumed_from) == (None, 2)


def test_one_record_of_each_training_run_is_found_without_parsing_the_others(tmp_path):
    records = [record_of(step) for step in (0, 5, 9)]
    write_log(tmp_path, records, training_of(id="first", began=1.0), name="tfevents.1")
    write_log(tmp_path, records[:1], training_of(id="second", began=2.0), name="tfevents.2")

    def found(step=None):
        return [(stored.training.id, stored.step) for stored in stored_at(follow(tmp_path), step)]

    assert found() == [("first", 9), ("second", 0)]
    assert found(8) == [("first", 5), ("second", 0)]
    assert found(-1) == []

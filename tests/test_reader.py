"""What was measured is read back, to the last count and bit, and damage is told and passed over."""

import functools
import json
import math

import numpy as np
import pytest
from event_files import event_files, frames
from small_models import CallAt, compiled, fit, mlp, regression_data
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from vg_keras import FormatVersionError, GradientMonitor, events, metadata, read_run, reader
from vg_keras.record import LayerDescription, ModelDescription, Record, VariableDescription
from vg_keras.statistics.sketch import Sketch


@pytest.fixture(scope="module", autouse=True)
def checksums_once():
    """TensorBoard computes checksums in Python; the same bytes are read thousands of times here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "masked_crc32c", functools.cache(masked_crc32c))
        yield


MODEL = ModelDescription(
    "small",
    (LayerDescription("dense", "Dense", "relu", (VariableDescription("w", (3,), "float32"),)),),
    {"keras": "3"},
)


def sketch_of(values):
    """A sketch of float32 values made without TensorFlow."""
    from vg_keras.statistics import buckets

    values = np.asarray(values, np.float32)
    counts = np.bincount(buckets.bucket_of(values), minlength=buckets.NUM_BUCKETS)
    finite = values[np.isfinite(values)].astype(np.float64)
    extremes = [finite.min(), finite.max()] if len(finite) else [math.nan, math.nan]
    sums = [finite.sum(), np.abs(finite).sum(), np.linalg.norm(finite)]
    zeros, positive, negative = (np.count_nonzero(values == x) for x in (0, np.inf, -np.inf))
    return Sketch.of(counts, [*sums, *extremes, zeros, positive, negative])


def record_of(step, values=(0.5, -2.0, 3.0)):
    return Record(step, 1.5 + step, {"w": sketch_of(values)})


def framed(data):
    length = len(data).to_bytes(8, "little")
    checksums = (masked_crc32c(part).to_bytes(4, "little") for part in (length, data))
    return length + next(checksums) + data + next(checksums)


def write_log(directory, records, model=MODEL, name="events.out.tfevents.1.host", kinds=()):
    """Writes an event file by hand, and returns its path."""
    written = [events.model_event(model, 0, 1.0)] if model else []
    written += [events.record_event(record, ("w",), kinds) for record in records]
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / name
    file.write_bytes(b"".join(framed(event.SerializeToString()) for event in written))
    return file


def contents(record):
    """All of a record in a form that compares NaN as equal to NaN."""
    sketches = {
        path: (
            s.occupied.tolist(),
            s.occupied_counts.tolist(),
            np.array(s.moments, np.float64).tobytes(),
        )
        for path, s in record.gradients.items()
    }
    return record.step, record.wall_time, sketches, record.without_gradient


def all_contents(records):
    return [contents(record) for record in records]


def test_a_finished_log_holds_the_very_records(tmp_path):
    monitor = GradientMonitor(tmp_path, 2)
    fit(compiled(mlp(depth=1)), *regression_data(5), [monitor], epochs=2)
    run = read_run(tmp_path)

    assert all_contents(run.records) == all_contents(monitor.records)
    assert [record.step for record in run.records] == [0, 2, 4, 6, 8]
    assert run.damage == ()
    assert run.path == tmp_path


def test_a_log_holds_nan_and_infinities_as_they_were(tmp_path):
    x, y = regression_data(3)
    x[9, 0], x[17, 0] = np.nan, 1e30
    monitor = GradientMonitor(tmp_path, "batch")
    fit(compiled(mlp(depth=0)), x, y, [monitor])
    run = read_run(tmp_path)

    assert [r.gradients["sequential/dense/bias"].nans for r in run.records] == [0, 2, 2]
    assert all_contents(run.records) == all_contents(monitor.records)


def test_a_log_tells_of_the_model(tmp_path):
    fit(compiled(mlp(depth=1)), *regression_data(1), [GradientMonitor(tmp_path)])
    model = read_run(tmp_path).model

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
    assert set(model.versions) == {"keras", "tensorflow"}


def test_a_running_log_holds_what_has_been_recorded(tmp_path):
    monitor = GradientMonitor(tmp_path, "batch")
    seen = []

    def look(model):
        run = read_run(tmp_path)
        seen.append((all_contents(run.records), all_contents(monitor.records), run.damage))

    looks = [CallAt("on_epoch_end", look, at=0), CallAt("on_train_batch_end", look, at=4)]
    fit(compiled(mlp(depth=0)), *regression_data(3), [monitor, *looks], epochs=2)

    assert [len(read) for read, _, _ in seen] == [3, 5]
    for read, recorded, damage in seen:
        assert read == recorded
        assert damage == ()


def test_the_files_of_one_run_are_read_in_their_order(tmp_path):
    model = compiled(mlp(depth=0))
    monitor = GradientMonitor(tmp_path, 2)
    for _ in range(11):  # beyond one digit
        fit(model, *regression_data(2), [monitor])

    assert len(event_files(tmp_path)) == 11
    assert [record.step for record in read_run(tmp_path).records] == list(range(0, 22, 2))


def test_each_file_has_a_model_of_its_own(tmp_path):
    monitor = GradientMonitor(tmp_path)
    fit(compiled(mlp(depth=0)), *regression_data(1), [monitor])
    fit(compiled(mlp(depth=1)), *regression_data(1), [monitor])
    run = read_run(tmp_path)

    assert [len(record.gradients) for record in run.records] == [2, 4]
    assert len(run.model.variables) == 4


def test_a_model_that_changes_during_training_is_described_again(tmp_path):
    def freeze(model):
        model.layers[0].trainable = False
        compiled(model, model.optimizer)
        model.make_train_function()

    monitor = GradientMonitor(tmp_path, "batch")
    callbacks = [monitor, CallAt("on_epoch_end", freeze)]
    fit(compiled(mlp(depth=1)), *regression_data(1), callbacks, epochs=2)
    run = read_run(tmp_path)

    assert all_contents(run.records) == all_contents(monitor.records)
    assert [len(record.gradients) for record in run.records] == [4, 2]
    assert run.model.variables == ("sequential/dense_1/kernel", "sequential/dense_1/bias")


@pytest.mark.parametrize("place", ["", "gradients", "gradients/events.out.tfevents.1.host"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_log_dir_a_run_or_a_file_can_be_named(tmp_path, place, kind):
    write_log(tmp_path / "gradients", [record_of(0), record_of(1)])
    run = read_run(kind(tmp_path / place))

    assert [record.step for record in run.records] == [0, 1]
    assert run.path == tmp_path / place


def test_the_other_runs_of_a_log_dir_are_none_of_ours(tmp_path):
    write_log(tmp_path / "gradients", [record_of(0)])
    write_log(tmp_path / "train", [record_of(7)])

    assert [record.step for record in read_run(tmp_path).records] == [0]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_place_without_a_log_is_told(tmp_path, make):
    path = tmp_path / "nothing"
    make(path)
    with pytest.raises(FileNotFoundError) as caught:
        read_run(path)

    assert str(caught.value) == (
        f"Expected a log directory of GradientMonitor. Received: {path}, where there is no event "
        "file, neither there nor in its subdirectory 'gradients'."
    )


def test_an_empty_file_is_an_empty_run(tmp_path):
    file = write_log(tmp_path, [], model=None)
    run = read_run(file)

    assert (run.model, run.records, run.damage) == (None, (), ())


def test_a_log_of_another_tool_has_no_records(tmp_path):
    import tensorflow as tf

    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        tf.summary.scalar("loss", 1.0, step=0)
    run = read_run(tmp_path)

    assert (run.model, run.records) == (None, ())


def test_a_directory_that_is_named_like_an_event_file_is_passed_over(tmp_path):
    write_log(tmp_path, [record_of(0)])
    (tmp_path / "tfevents.d").mkdir()

    assert [record.step for record in read_run(tmp_path).records] == [0]


def test_cut_off_at_any_byte_a_log_holds_all_whole_records(tmp_path):
    records = [record_of(step) for step in range(2)]
    file = write_log(tmp_path, records)
    whole = file.read_bytes()
    bounds = frames(file)
    wrong = []
    for size in range(bounds[-2][0], len(whole) + 1):
        file.write_bytes(whole[:size])
        run = read_run(file)
        num_whole = sum(end <= size for _, end in bounds) - 1
        if all_contents(run.records) != all_contents(records[:num_whole]) or run.damage:
            wrong.append(size)

    assert wrong == []


def test_cut_off_within_the_description_of_the_model_a_log_is_empty(tmp_path):
    file = write_log(tmp_path, [record_of(0)])
    whole = file.read_bytes()
    for size in range(0, frames(file)[0][1], 7):
        file.write_bytes(whole[:size])
        run = read_run(file)
        assert (run.model, run.records, run.damage) == (None, (), ())


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """What is read of two records with one byte damaged: place, event, and run or exception."""
    file = write_log(
        tmp_path_factory.mktemp("damaged"), [record_of(0), record_of(1)], kinds=["gradient_norm"]
    )
    whole, bounds = file.read_bytes(), frames(file)
    # Every byte of the model and of the second record, in three ways; the first record is alike.
    places = [*range(bounds[0][1]), *range(*bounds[2])]
    readings = []
    for flip in (0x01, 0x80, 0xFF):
        for place in places:
            file.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            event = next(i for i, (_, end) in enumerate(bounds) if place < end)
            try:
                run = read_run(file)
            except Exception as error:  # noqa: BLE001 - there may be none
                run = error
            readings.append((place, event, run))
    return readings


def test_a_damaged_byte_is_never_an_exception(damaged):
    raised = {(place, repr(run)) for place, _, run in damaged if isinstance(run, Exception)}

    assert raised == set()


def test_a_damaged_byte_never_makes_a_wrong_record(damaged):
    right = all_contents([record_of(0), record_of(1)])
    runs = [(place, run) for place, _, run in damaged if not isinstance(run, Exception)]
    wrong = [p for p, run in runs if any(c not in right for c in all_contents(run.records))]

    assert wrong == []


def test_a_damaged_byte_never_makes_a_wrong_model(damaged):
    runs = [(place, run) for place, _, run in damaged if not isinstance(run, Exception)]

    assert [place for place, run in runs if run.model not in (None, MODEL)] == []


def test_a_damaged_byte_that_costs_a_record_is_told(damaged):
    runs = [(place, run) for place, _, run in damaged if not isinstance(run, Exception)]

    assert [place for place, run in runs if len(run.records) < 2 and not run.damage] == []


def test_damage_to_one_record_costs_no_other(damaged):
    runs = [run for _, event, run in damaged if event == 2 and not isinstance(run, Exception)]

    assert {tuple(r.step for r in run.records) for run in runs} == {(0,), (0, 1)}


def test_a_damaged_record_is_told_by_file_and_number(tmp_path):
    file = write_log(tmp_path, [record_of(0), record_of(1)])
    whole = file.read_bytes()
    place = sum(frames(file)[2]) // 2  # within the compressed arrays of the second record
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    run = read_run(file)

    assert [record.step for record in run.records] == [0]
    assert len(run.damage) == 1
    assert run.damage[0].startswith(
        "events.out.tfevents.1.host: event 2 is damaged and left out. A record is damaged: "
    )


def test_a_damaged_length_costs_the_rest_of_the_file_and_is_told(tmp_path):
    file = write_log(tmp_path, [record_of(0), record_of(1), record_of(2)])
    whole, (start, _) = file.read_bytes(), frames(file)[2]
    file.write_bytes(whole[:start] + b"\xff" + whole[start + 1 :])
    run = read_run(file)

    assert [record.step for record in run.records] == [0]
    assert run.damage == (
        f"{file.name}: the last {len(whole) - start} bytes, from {start} on, are damaged.",
    )


def test_a_damaged_model_is_told_and_its_records_are_left_out(tmp_path):
    file = write_log(tmp_path, [record_of(0)])
    file.write_bytes(file.read_bytes().replace(b"small", b"snall"))
    run = read_run(file)

    assert (run.model, run.records) == (None, ())
    assert run.damage == (
        f"{file.name}: event 0 is damaged and left out. Its checksum does not match.",
        f"{file.name}: event 1 is damaged and left out. The model is not described before it.",
    )


def test_a_damaged_file_costs_no_other_file(tmp_path):
    damaged = write_log(tmp_path, [record_of(0), record_of(1)], name="tfevents.1")
    write_log(tmp_path, [record_of(2)], name="tfevents.2")
    damaged.write_bytes(b"\xff" + damaged.read_bytes()[1:])
    run = read_run(tmp_path)

    assert [record.step for record in run.records] == [2]
    assert len(run.damage) == 1


def test_a_log_of_a_newer_version_is_refused(tmp_path, monkeypatch):
    payload = json.loads(metadata.encode_model(MODEL))
    payload["format_version"] = metadata.FORMAT_VERSION + 1
    monkeypatch.setattr(metadata, "encode_model", lambda model: json.dumps(payload).encode())
    write_log(tmp_path, [record_of(0)])
    with pytest.raises(FormatVersionError) as caught:
        read_run(tmp_path)

    assert str(caught.value) == (
        "This log has format version 2, and the installed vg_keras reads versions up to 1. "
        "Upgrade vg_keras to read it."
    )


def test_reading_changes_nothing_on_disk(tmp_path):
    file = write_log(tmp_path, [record_of(0)])
    before = file.read_bytes(), list(tmp_path.iterdir())
    read_run(tmp_path)

    assert (file.read_bytes(), list(tmp_path.iterdir())) == before

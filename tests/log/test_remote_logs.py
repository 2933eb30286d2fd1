"""Logs on a non-local file system, here TensorFlow's in-memory one."""

import uuid

import pytest
import tensorflow as tf
from scripted_records import all_contents, full_record, training_of
from small_models import compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor, read_run
from vg_keras.log import storage, writer
from vg_keras.log.writer import RecordWriter


@pytest.fixture
def remote():
    """Returns a fresh directory in memory."""
    return f"ram://{uuid.uuid4()}"


def test_a_remote_log_is_written_and_read(remote):
    monitor = GradientMonitor(f"{remote}/logs", 2)
    fit(compiled(mlp(depth=0)), *regression_data(5), [monitor])
    run = read_run(f"{remote}/logs")

    assert run.path == f"{remote}/logs"
    assert all_contents(run.latest.records) == all_contents(monitor.records)
    assert [record.step for record in run.latest.records] == [0, 2, 4]
    assert all_contents(read_run(f"{remote}/logs/gradients").latest.records) == all_contents(
        run.latest.records
    )


def test_a_single_file_is_read(remote):
    record_writer = RecordWriter(f"{remote}/gradients")
    record_writer.write(full_record(0), training_of())
    record_writer.close()

    assert len(read_run(record_writer.path).latest.records) == 1


def test_a_missing_log_raises(remote):
    with pytest.raises(FileNotFoundError, match=f"Received: {remote}/nothing. There is no"):
        read_run(f"{remote}/nothing")


class CountingFile:
    """Counts how often a file is flushed."""

    def __init__(self, file):
        self._file = file
        self.num_flushes = 0

    def write(self, data):
        self._file.write(data)

    def flush(self):
        self.num_flushes += 1
        self._file.flush()

    def close(self):
        self._file.close()


@pytest.mark.parametrize(
    ("seconds", "place", "expected"), [(0.0, "local", 10), (0.0, "ram", 1), (60.0, "ram", 5)]
)
def test_a_file_on_an_object_store_is_flushed_at_intervals(
    tmp_path, remote, monkeypatch, seconds, place, expected
):
    now = [1000.0]
    monkeypatch.setattr(writer.time, "monotonic", lambda: now[0])
    opened = []
    kind = storage._Local if place == "local" else storage._Remote
    open_file = kind.open

    def counting(self, path, mode):
        file = open_file(self, path, mode)
        opened.append(CountingFile(file) if mode == "wb" else file)
        return opened[-1]

    monkeypatch.setattr(kind, "open", counting)
    directory = str(tmp_path) if place == "local" else remote
    record_writer = RecordWriter(f"{directory}/gradients")
    for step in range(10):
        record_writer.write(full_record(step), training_of())
        now[0] += seconds
    record_writer.close()

    assert opened[-1].num_flushes == 1 + expected  # once for the file header
    assert [record.step for record in read_run(directory).latest.records] == list(range(10))


def test_records_that_an_object_store_rejects_at_the_end_are_reported(remote, monkeypatch):
    class Refusing(CountingFile):
        def close(self):
            raise tf.errors.UnavailableError(None, None, "no network")

    record_writer = RecordWriter(f"{remote}/gradients")
    record_writer.write(full_record(0), training_of())
    record_writer._file = Refusing(record_writer._file)
    with pytest.warns(UserWarning, match="could not write the last records") as caught:
        record_writer.close()

    assert str(caught[0].message) == (
        f"GradientMonitor could not write the last records to {record_writer.path}: no network. "
        "They are still in `monitor.records`."
    )


def test_a_copy_has_its_own_remote_directory(remote):
    import copy

    monitor = copy.deepcopy(GradientMonitor(remote))
    fit(compiled(mlp(depth=0)), *regression_data(1), [monitor])

    assert monitor.log_dir == f"{remote}/copy_1"
    assert len(read_run(monitor.log_dir).latest.records) == 1

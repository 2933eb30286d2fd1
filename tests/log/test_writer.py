"""Disk trouble warns once and never ends training; earlier records stay on disk."""

import errno
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import tensorflow as tf
from event_files import PAYLOADS, events_in, tags_in
from reference import weights_of
from scripted_records import full_record, training_of
from small_models import CallAt, compiled, fit, light_monitor, mlp, regression_data

from vg_keras import read_run
from vg_keras.log.writer import RecordWriter

pytestmark = pytest.mark.usefixtures("graphs_as_traced")

GOES_ON = "Training goes on, and records are still kept in `monitor.records`."


def trained(callbacks):
    model = compiled(mlp(depth=0))
    fit(model, *regression_data(6), callbacks)
    return weights_of(model)


@functools.cache
def trained_without_monitor():
    return trained([])


def trained_in_trouble(monitor, *callbacks):
    """Trains, checks that nothing but the log suffers, and returns the messages of all warnings."""
    with pytest.warns(UserWarning, match="GradientMonitor stopped writing") as caught:
        weights = trained([monitor, *callbacks])

    assert [record.step for record in monitor.records] == [0, 1, 2, 3, 4, 5]
    assert weights == trained_without_monitor()
    return [str(warning.message) for warning in caught]


def path_of_log(log_dir):
    (file,) = Path(log_dir, "gradients").iterdir()
    return file


ERRORS = {
    "os": (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    "tensorflow": (
        tf.errors.ResourceExhaustedError(None, None, "log; No space left on device"),
        "log; No space left on device",
    ),
}


@pytest.mark.parametrize(("error", "reason"), ERRORS.values(), ids=ERRORS)
def test_a_full_disk_warns_once(tmp_path, monkeypatch, error, reason):
    append = RecordWriter._append

    def append_until_full(self, event):
        if event.step >= 2:
            raise error
        append(self, event)

    monkeypatch.setattr(RecordWriter, "_append", append_until_full)
    messages = trained_in_trouble(light_monitor(tmp_path, "batch"))

    assert messages == [
        f"GradientMonitor stopped writing to {path_of_log(tmp_path)} at step 2: {reason}. {GOES_ON}"
    ]
    assert [record.step for record in read_run(tmp_path).latest.records] == [0, 1]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 32 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(disk)]
    if (
        not shutil.which("mount")
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_real_full_disk_warns_once(small_disk):
    (small_disk / "ballast").write_bytes(bytes(28_000))
    messages = trained_in_trouble(light_monitor(small_disk, "batch"))
    run = read_run(small_disk)

    assert len(messages) == 1
    assert messages[0].startswith(f"GradientMonitor stopped writing to {path_of_log(small_disk)} ")
    assert "No space left on device" in messages[0]
    assert [record.step for record in run.latest.records] == list(range(len(run.latest.records)))


def test_a_directory_removed_during_training_warns_once(tmp_path):
    log_dir = tmp_path / "logs"
    remove = CallAt("on_train_batch_end", lambda model: shutil.rmtree(log_dir), at=2)
    (message,) = trained_in_trouble(light_monitor(log_dir, "batch"), remove)

    assert message.startswith(f"GradientMonitor stopped writing to {log_dir}/gradients/events.out.")
    assert re.search(
        r" at step [123]: The event file is gone\. ", message
    )  # up to two are still queued
    assert message.endswith(GOES_ON)
    assert not log_dir.exists()


def test_a_file_closed_during_training_warns_once(tmp_path):
    monitor = light_monitor(tmp_path, "batch")

    def close_file(model):
        assert len(monitor.records) == 3  # blocks until they are written
        monitor._receiver.log._writer._file.close()

    close = CallAt("on_train_batch_end", close_file, at=2)
    (message,) = trained_in_trouble(monitor, close)

    assert message.startswith(
        f"GradientMonitor stopped writing to {path_of_log(tmp_path)} at step 3: "
    )
    assert message.endswith(f". {GOES_ON}")
    assert [record.step for record in read_run(tmp_path).latest.records] == [0, 1, 2]


def test_the_next_fit_writes_again_after_trouble(tmp_path):
    model = compiled(mlp(depth=0))
    monitor = light_monitor(tmp_path, "batch")

    def remove_what_was_written(model):
        assert monitor.records
        shutil.rmtree(tmp_path / "gradients", ignore_errors=True)

    remove = CallAt("on_train_batch_end", remove_what_was_written)
    with pytest.warns(UserWarning, match="The event file is gone"):
        fit(model, *regression_data(3), [monitor, remove])
    fit(model, *regression_data(2), [monitor])

    assert [record.step for record in read_run(tmp_path).latest.records] == [3, 4]


def run_script(script, log_dir):
    return subprocess.run(
        [sys.executable, "-c", script, str(log_dir)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_killed_process_loses_at_most_two_records(tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        import keras, numpy as np
        from vg_keras import GradientMonitor

        class Kill(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 4:
                    os.kill(os.getpid(), signal.SIGKILL)

        model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
        model.compile("sgd", "mse", jit_compile=False)
        monitor = GradientMonitor(sys.argv[1], "batch")
        model.fit(np.ones([80, 3]), np.ones([80, 2]), batch_size=8, callbacks=[monitor, Kill()])
        """
    )
    result = run_script(script, tmp_path)
    run = read_run(tmp_path)

    assert result.returncode == -signal.SIGKILL, result.stderr
    assert len(run.latest.records) >= 3  # of five
    assert [record.step for record in run.latest.records] == list(range(len(run.latest.records)))
    assert run.damage == ()


def test_a_program_that_ends_with_an_exception_loses_no_record(tmp_path):
    script = textwrap.dedent(
        """
        import sys
        import keras, numpy as np
        from vg_keras import GradientMonitor

        class Interrupt(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 4:
                    raise KeyboardInterrupt

        model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
        model.compile("sgd", "mse", jit_compile=False)
        monitor = GradientMonitor(sys.argv[1], "batch")
        callbacks = [monitor, Interrupt()]
        model.fit(np.ones([80, 3]), np.ones([80, 2]), batch_size=8, callbacks=callbacks)
        """
    )
    result = run_script(script, tmp_path)

    assert "KeyboardInterrupt" in result.stderr
    assert [record.step for record in read_run(tmp_path).latest.records] == [0, 1, 2, 3, 4]


def test_the_file_starts_with_the_version_that_tensorboard_expects(tmp_path):
    writer = RecordWriter(str(tmp_path / "gradients"))
    writer.write(full_record(), training_of())
    writer.close()

    event, *_ = events_in(tmp_path)
    assert event.file_version == "brain.Event:2"


def test_two_writers_never_use_the_same_file(tmp_path):
    first, second = (
        RecordWriter(str(tmp_path / "gradients")),
        RecordWriter(str(tmp_path / "gradients")),
    )
    first.close()
    second.close()

    assert Path(first.path).name < Path(second.path).name


def test_closing_twice_does_nothing(tmp_path):
    writer = RecordWriter(str(tmp_path / "gradients"))
    writer.write(full_record(), training_of())
    writer.close()
    writer.close()

    assert len(events_in(tmp_path)) == 3


def test_no_file_is_created_without_a_record(tmp_path):
    RecordWriter(str(tmp_path / "gradients")).close()

    assert list((tmp_path / "gradients").iterdir()) == []


def test_only_the_requested_kinds_of_charts_are_written(tmp_path):
    writer = RecordWriter(str(tmp_path / "gradients"), ["gradient_norm"])
    writer.write(full_record(0), training_of())
    writer.close()

    tag = "log10_gradient_norm/01_dense/kernel"
    assert tags_in(tmp_path) == PAYLOADS - {"vg_keras/cost", "vg_keras/verdict"} | {tag}


def test_a_training_run_is_described_once_and_its_charts_with_its_first_record(tmp_path):
    writer = RecordWriter(str(tmp_path / "gradients"), ["gradient_norm"])
    for step in range(3):
        writer.write(full_record(step), training_of())
    writer.close()

    _, *described = [
        {value.tag: bool(value.metadata.summary_description) for value in event.summary.value}
        for event in events_in(tmp_path)
    ]
    assert described == [
        {"vg_keras/training": False, "custom_scalars__config__": False},
        {"vg_keras/record": False, "log10_gradient_norm/01_dense/kernel": True},
        {"vg_keras/record": False, "log10_gradient_norm/01_dense/kernel": False},
        {"vg_keras/record": False, "log10_gradient_norm/01_dense/kernel": False},
    ]

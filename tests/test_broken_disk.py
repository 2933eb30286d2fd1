"""Whatever happens to the disk, each log warns once and training ends with the same weights.

Each failure is provoked in a training run with a probe, that is, with two logs. `test_writer.py`
covers a single log.
"""

import contextlib
import ctypes
import os
import resource
import shutil
import stat
import sys
import warnings
from typing import NamedTuple

import pytest
from reference import weights_of
from small_models import CallAt, compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor, read_run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

X, Y = regression_data(8)


def trained(*callbacks):
    model = compiled(mlp())
    fit(model, X, Y, callbacks)
    return weights_of(model)


@pytest.fixture(scope="module")
def expected():
    """The weights after training without a monitor."""
    return trained()


class Report(NamedTuple):
    """What is left of a training run whose disk failed after the third step."""

    warnings: list
    weights: list
    num_records: list


def trained_with(log_dir, trouble):
    def begin_trouble(model):
        assert len(monitor.records) == 3  # blocks until they are written
        trouble()

    monitor = GradientMonitor(log_dir, "batch", probe=(X[:8], Y[:8]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        weights = trained(monitor, CallAt("on_train_batch_end", begin_trouble, at=2))
    return Report(
        [str(warning.message) for warning in caught],
        weights,
        [len(monitor.records), len(monitor.probe_records)],
    )


@contextlib.contextmanager
def file_sizes_limited_later():
    """Yields a function that limits the size of files of this process, to the end of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def as_nobody():
    """Accesses files as another user, because permissions mean nothing to root.

    On Linux, this affects the current thread and those that it starts, not the whole process: a
    thread that another test has left behind keeps its permissions.
    """
    set_user = ctypes.CDLL(None).setfsuid
    set_user(65534)
    try:
        yield
    finally:
        set_user(0)


def assert_warned_once_and_trained_the_same(report, expected, log_dir, reason):
    gradients, probe = sorted(report.warnings, key=lambda message: "/probe/" in message)
    assert gradients.startswith(f"GradientMonitor stopped writing to {log_dir}/gradients/events.")
    assert probe.startswith(f"GradientMonitor stopped writing to {log_dir}/probe/events.")
    assert reason in gradients
    assert reason in probe
    assert report.weights == expected
    assert report.num_records == [8, 8]


def steps_read_from(*run_dirs):
    runs = [read_run(run_dir) for run_dir in run_dirs]
    assert [run.damage for run in runs] == [()] * len(runs)
    return [[record.step for record in run.latest.records] for run in runs]


def test_a_file_that_may_not_grow_warns_once(tmp_path, expected):
    """A full disk or a quota ends a write half-way, in the middle of an event."""
    with file_sizes_limited_later() as limit:
        report = trained_with(tmp_path, lambda: limit(1000))

    assert_warned_once_and_trained_the_same(report, expected, tmp_path, "File too large")
    assert steps_read_from(tmp_path, tmp_path / "probe") == [[0, 1, 2]] * 2


def test_a_truncated_event_does_not_damage_earlier_ones(tmp_path, expected):
    def largest():
        return max(file.stat().st_size for file in tmp_path.rglob("events.*"))

    with file_sizes_limited_later() as limit:
        report = trained_with(tmp_path, lambda: limit(largest() + 500))

    assert_warned_once_and_trained_the_same(report, expected, tmp_path, "File too large")
    for steps in steps_read_from(tmp_path, tmp_path / "probe"):
        assert steps == list(range(len(steps)))
        assert 3 <= len(steps) < 8


def test_a_removed_log_directory_warns_once(tmp_path, expected):
    log_dir = tmp_path / "logs"
    report = trained_with(log_dir, lambda: shutil.rmtree(log_dir))

    assert_warned_once_and_trained_the_same(report, expected, log_dir, "The event file is gone")
    assert not log_dir.exists()


def test_a_moved_log_directory_keeps_what_was_written(tmp_path, expected):
    log_dir, moved = tmp_path / "logs", tmp_path / "moved"
    report = trained_with(log_dir, lambda: log_dir.rename(moved))

    # The record that detects the missing file was still written to it.
    assert_warned_once_and_trained_the_same(report, expected, log_dir, "The event file is gone")
    assert steps_read_from(moved, moved / "probe") == [[0, 1, 2, 3]] * 2
    assert not log_dir.exists()


@pytest.fixture
def others_directory(tmp_path):
    """Returns a directory that another user owns."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root can become another user")
    for directory in [tmp_path, *tmp_path.parents]:
        if not directory.stat().st_mode & stat.S_IXOTH:  # pytest's directories are private
            directory.chmod(0o755)
    log_dir = tmp_path / "logs"
    log_dir.mkdir()
    os.chown(log_dir, 65534, -1)
    return log_dir


def test_a_log_directory_that_becomes_inaccessible_warns_once(others_directory, expected):
    with as_nobody():
        report = trained_with(others_directory, lambda: others_directory.chmod(0))
    others_directory.chmod(0o755)

    assert_warned_once_and_trained_the_same(
        report, expected, others_directory, "The event file is gone"
    )
    assert steps_read_from(others_directory, others_directory / "probe") == [[0, 1, 2, 3]] * 2


def test_open_files_are_written_even_if_permission_to_open_is_withdrawn(others_directory, expected):
    """Write permission is checked when a file is opened."""

    def withdraw():
        for file in others_directory.rglob("events.*"):
            file.chmod(0)

    with as_nobody():
        report = trained_with(others_directory, withdraw)

    assert report == ([], expected, [8, 8])
    assert steps_read_from(others_directory, others_directory / "probe") == [list(range(8))] * 2

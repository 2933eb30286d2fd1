"""Whatever happens to the disk, each log warns once and training ends with the same weights.

Each failure is provoked in a training run in a process of its own, with a probe, that is, with two
logs. `test_writer.py` covers a single log.
"""

import json
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import vg_keras

pytestmark = pytest.mark.slow

TRAINING = """
    import hashlib, json, os, resource, shutil, sys, warnings
    from reference import weights_of
    from small_models import CallAt, compiled, fit, mlp, regression_data
    from vg_keras import GradientMonitor

    log_dir = sys.argv[1]
    x, y = regression_data(8)

    def trained(*callbacks):
        model = compiled(mlp())
        fit(model, x, y, callbacks)
        return hashlib.sha256(repr(weights_of(model)).encode()).hexdigest()

    def trouble(model):
        assert len(monitor.records) == 3  # blocks until they are written
        {trouble}

    {beforehand}
    expected = trained()
    monitor = GradientMonitor(log_dir, "batch", probe=(x[:8], y[:8]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        weights = trained(monitor, CallAt("on_train_batch_end", trouble, at=2))
    print(json.dumps({{
        "warnings": [str(warning.message) for warning in caught],
        "same weights": weights == expected,
        "records": [len(monitor.records), len(monitor.probe_records)],
    }}))
"""

NOBODY = "os.setuid(65534)  # permissions mean nothing to root"


def trained_in(log_dir, trouble, beforehand="pass"):
    """Trains in a process whose disk fails after the third step; returns its output."""
    script = textwrap.dedent(TRAINING).format(trouble=trouble, beforehand=beforehand)
    paths = [*sys.path, str(Path(vg_keras.__file__).parents[1]), str(Path(__file__).parent)]
    result = subprocess.run(
        [sys.executable, "-B", "-c", script, str(log_dir)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def assert_warned_once_and_trained_the_same(report, log_dir, reason):
    gradients, probe = sorted(report["warnings"], key=lambda message: "/probe/" in message)
    assert gradients.startswith(f"GradientMonitor stopped writing to {log_dir}/gradients/events.")
    assert probe.startswith(f"GradientMonitor stopped writing to {log_dir}/probe/events.")
    assert reason in gradients
    assert reason in probe
    assert report["same weights"]
    assert report["records"] == [8, 8]


def steps_read_from(*run_dirs):
    runs = [vg_keras.read_run(run_dir) for run_dir in run_dirs]
    assert [run.damage for run in runs] == [()] * len(runs)
    return [[record.step for record in run.latest.records] for run in runs]


def test_a_file_that_may_not_grow_warns_once(tmp_path):
    """A full disk or a quota ends a write half-way, in the middle of an event."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))"
    report = trained_in(tmp_path, limit)

    assert_warned_once_and_trained_the_same(report, tmp_path, "File too large")
    assert steps_read_from(tmp_path, tmp_path / "probe") == [[0, 1, 2]] * 2


def test_a_truncated_event_does_not_damage_earlier_ones(tmp_path):
    probe_size = "max(os.path.getsize(f) for _, f in files)"
    limit = (
        "files = [(d, os.path.join(d, f)) for d, _, fs in os.walk(log_dir) for f in fs]; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({probe_size} + 500, resource.RLIM_INFINITY))"
    )
    report = trained_in(tmp_path, limit)

    assert_warned_once_and_trained_the_same(report, tmp_path, "File too large")
    for steps in steps_read_from(tmp_path, tmp_path / "probe"):
        assert steps == list(range(len(steps)))
        assert 3 <= len(steps) < 8


def test_a_removed_log_directory_warns_once(tmp_path):
    log_dir = tmp_path / "logs"
    report = trained_in(log_dir, "shutil.rmtree(log_dir)")

    assert_warned_once_and_trained_the_same(report, log_dir, "The event file is gone")
    assert not log_dir.exists()


def test_a_moved_log_directory_keeps_what_was_written(tmp_path):
    log_dir, moved = tmp_path / "logs", tmp_path / "moved"
    report = trained_in(log_dir, f"os.rename(log_dir, {str(moved)!r})")

    # The record that detects the missing file was still written to it.
    assert_warned_once_and_trained_the_same(report, log_dir, "The event file is gone")
    assert steps_read_from(moved, moved / "probe") == [[0, 1, 2, 3]] * 2
    assert not log_dir.exists()


@pytest.fixture
def others_directory(tmp_path):
    """Returns a directory that another user owns."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    for directory in [tmp_path, *tmp_path.parents]:
        if not directory.stat().st_mode & stat.S_IXOTH:  # pytest's directories are private
            directory.chmod(0o755)
    log_dir = tmp_path / "logs"
    log_dir.mkdir()
    os.chown(log_dir, 65534, -1)
    return log_dir


def test_a_log_directory_that_becomes_inaccessible_warns_once(others_directory):
    report = trained_in(others_directory, "os.chmod(log_dir, 0)", NOBODY)
    others_directory.chmod(0o755)

    assert_warned_once_and_trained_the_same(report, others_directory, "The event file is gone")
    assert steps_read_from(others_directory, others_directory / "probe") == [[0, 1, 2, 3]] * 2


def test_open_files_are_written_even_if_permission_to_open_is_withdrawn(others_directory):
    """Write permission is checked when a file is opened."""
    lock = "[os.chmod(os.path.join(d, f), 0) for d, _, fs in os.walk(log_dir) for f in fs]"
    report = trained_in(others_directory, lock, NOBODY)

    assert report == {"warnings": [], "same weights": True, "records": [8, 8]}
    assert steps_read_from(others_directory, others_directory / "probe") == [list(range(8))] * 2

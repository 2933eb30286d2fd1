"""Records on disk are complete, however a training run ends and whatever else writes there.

The bound: a separate thread writes the records and is at most two records behind, so a killed
process loses at most these and the step that it was in.
"""

import itertools
import os
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from small_models import BATCH_SIZE, CallAt, compiled, fit, mlp, mlp_of_next_name, regression_data

from vg_keras import GradientMonitor, read_run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

TRAINING = """
    import sys
    import keras, numpy as np
    from vg_keras import GradientMonitor

    class Tell(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            print(batch, flush=True)

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(4, "relu")])
    model.compile("sgd", "mse", jit_compile=False)
    x = np.ones([int(sys.argv[2]) * 8, 3])
    monitor = GradientMonitor(sys.argv[1], "batch", probe=(x[:8], x[:8, :1]))
    print(-1, flush=True)
    model.fit(x, x[:, :1], batch_size=8, verbose=0, callbacks=[monitor, Tell()])
"""


def training(log_dir, num_steps):
    """Starts a training run in its own process that prints -1 and the numbers of finished steps."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(TRAINING), str(log_dir), str(num_steps)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def steps_of(run):
    """Returns the steps of the only training run."""
    (training,) = run.trainings
    return [record.step for record in training.records]


def steps_of_each(run):
    return [[record.step for record in training.records] for training in run.trainings]


def test_a_process_killed_from_outside_loses_at_most_two_records(tmp_path):
    after = 40
    with training(tmp_path, num_steps=100_000) as process:
        for line in process.stdout:
            if int(line) >= after:
                break
        process.send_signal(signal.SIGKILL)
        last_finished = max([after, *map(int, process.stdout)])
    run, probe = read_run(tmp_path), read_run(tmp_path / "probe")

    # The step after the last printed one may have been recorded but not yet printed.
    assert process.returncode == -signal.SIGKILL
    assert steps_of(run) == list(range(len(run.latest.records)))
    assert steps_of(probe) == list(range(len(probe.latest.records)))
    for records in (run.latest.records, probe.latest.records):
        assert last_finished + 1 - 2 <= len(records) <= last_finished + 2
    assert run.damage == probe.damage == ()
    assert run.latest.is_unfinished


def test_two_processes_in_one_directory_keep_all_records(tmp_path, monkeypatch):
    # As in a new process.
    monkeypatch.setattr("vg_keras.log.writer._serial_numbers", itertools.count())
    with training(tmp_path, num_steps=30) as other:
        x, y = regression_data(30)
        monitor, model = GradientMonitor(tmp_path, "batch", probe=(x[:8], y[:8])), compiled(mlp())
        other.stdout.readline()  # both begin at the same time
        fit(model, x, y, [monitor])
        other.communicate()
    run, probe = read_run(tmp_path), read_run(tmp_path / "probe")

    assert other.returncode == 0
    assert steps_of_each(run) == [list(range(30))] * 2
    assert steps_of_each(probe) == [list(range(30))] * 2
    assert [t.id for t in run.trainings] == [t.id for t in probe.trainings]
    assert run.damage == probe.damage == ()


def test_two_successive_monitors_in_one_directory_keep_all_records(tmp_path):
    model = compiled(mlp())
    for _ in range(2):
        fit(model, *regression_data(3), [GradientMonitor(tmp_path, "batch")])
    run = read_run(tmp_path)

    assert steps_of_each(run) == [[0, 1, 2], [3, 4, 5]]
    assert run.damage == ()


def test_a_nested_fit_in_one_directory_keeps_all_records(tmp_path):
    outer, inner = compiled(mlp()), compiled(mlp_of_next_name(depth=2))

    def train_inner(_):
        fit(inner, *regression_data(2), [GradientMonitor(tmp_path, "batch")])

    train = CallAt("on_train_batch_end", train_inner, at=1)
    fit(outer, *regression_data(4), [GradientMonitor(tmp_path, "batch"), train])
    run = read_run(tmp_path)

    assert steps_of_each(run) == [[0, 1, 2, 3], [0, 1]]
    assert [len(training.model.variables) for training in run.trainings] == [4, 6]
    assert run.damage == ()


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_end"])
def test_a_nested_fit_of_the_same_model_does_not_stop_the_outer_recording(hook):
    model = compiled(mlp())
    outer, inner = GradientMonitor(None, "batch"), GradientMonitor(None, "batch")
    train = CallAt(hook, lambda model: fit(model, *regression_data(2), [inner]))
    fit(model, *regression_data(3), [outer, train], epochs=2)

    assert [record.step for record in inner.records][-1] <= 7
    assert len(outer.records) >= 4
    assert model.train_function is outer._capture._function._own


def test_a_training_run_that_is_stopped_early_keeps_its_last_step(tmp_path):
    def stop(model):
        model.stop_training = True

    fit(
        compiled(mlp()),
        *regression_data(6),
        [GradientMonitor(tmp_path, "batch"), CallAt("on_train_batch_end", stop, at=2)],
    )

    assert steps_of(read_run(tmp_path)) == [0, 1, 2]


def test_records_before_and_after_a_nan_loss_are_kept(tmp_path):
    x, y = regression_data(5)
    x[2 * BATCH_SIZE] = np.nan
    monitor = GradientMonitor(tmp_path, "batch")
    fit(compiled(mlp()), x, y, [monitor, keras.callbacks.TerminateOnNaN()])
    run = read_run(tmp_path)

    assert steps_of(run) == [record.step for record in monitor.records]
    assert [
        run.latest.records[step].gradients["sequential/dense/kernel"].nans for step in (0, 1)
    ] == [
        0,
        0,
    ]
    assert run.latest.records[2].gradients["sequential/dense/kernel"].nans == 32

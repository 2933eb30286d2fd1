"""Training runs are kept separate, and are identical live and from disk."""

import dataclasses
import os
import runpy
import subprocess
import sys
import textwrap

import keras
import pytest
import tensorflow as tf
from scripted_records import MODEL, SETTINGS, full_record, model_of
from small_models import CallAt, compiled, fit, light_monitor, mlp, regression_data

from vg_keras import GradientMonitor, Run, read_run, training_log
from vg_keras.training_log import Beginning, TrainingLog, bytes_of, new_id

pytestmark = pytest.mark.usefixtures("graphs_as_traced")


def steps_of(run):
    return [[record.step for record in training.records] for training in run.trainings]


def assert_same_live_as_from_disk(monitor, log_dir):
    assert monitor.run.trainings == read_run(log_dir).trainings
    if monitor.probe is not None:
        assert monitor.probe_run.trainings == read_run(log_dir / "probe").trainings


def probed(log_dir, update_freq="batch", **how):
    x, y = regression_data(1)
    return GradientMonitor(log_dir, update_freq, probe=(x[:4], y[:4]), **how)


def test_fit_and_probe_are_identical_live_and_from_disk(tmp_path):
    monitor = probed(tmp_path, weights=True, optimizer_state=True)
    model = mlp(depth=2, activation="tanh")
    model.layers[0].kernel.regularizer = keras.regularizers.L2(0.1)
    fit(compiled(model, "adam"), *regression_data(3), [monitor], epochs=2)

    assert steps_of(monitor.run) == steps_of(monitor.probe_run) == [list(range(6))]
    assert monitor.run.latest.cost.num_records == 6
    assert_same_live_as_from_disk(monitor, tmp_path)


def test_a_custom_loop_is_identical_live_and_from_disk(tmp_path):
    monitor, model = probed(tmp_path), compiled(mlp())
    x, y = regression_data(1)
    for _ in range(2):
        with monitor.watch(model) as watch:
            for _ in range(2):
                with watch.step(), tf.GradientTape() as tape:
                    loss = model.compute_loss(x, y, model(x, training=True))
                    variables = model.trainable_variables
                    model.optimizer.apply(tape.gradient(loss, variables), variables)

    assert steps_of(monitor.run) == [[0, 1, 2, 3]]  # a resumed loop is one training run
    assert_same_live_as_from_disk(monitor, tmp_path)


def test_a_custom_loop_after_a_fit_is_a_training_run_of_its_own(tmp_path):
    monitor, model = GradientMonitor(tmp_path, "batch"), compiled(mlp())
    x, y = regression_data(1)
    fit(model, x, y, [monitor])
    with monitor.watch(model) as watch, watch.step():
        model.train_on_batch(x, y)
    fit(model, x, y, [monitor])

    assert steps_of(monitor.run) == [[0], [1], [2]]
    assert_same_live_as_from_disk(monitor, tmp_path)


@pytest.mark.parametrize("num_kept", [1, 4])
def test_records_dropped_from_memory_are_read_from_disk(tmp_path, monkeypatch, num_kept):
    limit = num_kept * 40_000
    monkeypatch.setattr(training_log, "MAX_BYTES", limit)
    monitor, model = probed(tmp_path), compiled(mlp())
    fit(model, *regression_data(20), [monitor])
    fit(model, *regression_data(3), [monitor])

    assert len(monitor.records) < 23
    assert sum(map(bytes_of, monitor.records)) <= max(limit, 4 * bytes_of(monitor.records[0]))
    assert steps_of(monitor.run) == [list(range(20)), [20, 21, 22]]
    assert_same_live_as_from_disk(monitor, tmp_path)


def test_without_a_log_only_records_in_memory_are_available(monkeypatch):
    monkeypatch.setattr(training_log, "MAX_BYTES", 1)
    monitor = light_monitor(None, "batch")
    fit(compiled(mlp()), *regression_data(5), [monitor])

    assert monitor.run.path is None
    assert steps_of(monitor.run) == [[0, 4]]


def test_after_removing_the_log_the_records_in_memory_remain(tmp_path, monkeypatch):
    monkeypatch.setattr(training_log, "MAX_BYTES", 1)
    monitor = light_monitor(tmp_path, "batch")
    fit(compiled(mlp()), *regression_data(5), [monitor])
    for file in (tmp_path / "gradients").iterdir():
        file.unlink()

    assert steps_of(monitor.run) == [[0, 4]]


def test_a_running_fit_is_identical_live_and_from_disk(tmp_path):
    monitor, seen = GradientMonitor(tmp_path, "batch"), []

    def look(model):
        seen.append((monitor.run.trainings, read_run(tmp_path).trainings))

    fit(compiled(mlp()), *regression_data(4), [monitor, CallAt("on_train_batch_end", look, at=2)])
    ((live, read),) = seen

    assert live == read
    assert [len(training.records) for training in live] == [3]
    assert live[0].cost is None


def test_two_fits_are_two_training_runs(tmp_path):
    monitor, model = light_monitor(tmp_path, "batch"), compiled(mlp())
    fit(model, *regression_data(2), [monitor])
    model.optimizer.learning_rate = 0.25
    fit(model, *regression_data(2), [monitor])
    first, second = read_run(tmp_path).trainings

    assert steps_of(monitor.run) == [[0, 1], [2, 3]]
    assert (first.resumed_from, second.resumed_from) == (None, 2)
    assert first.id != second.id
    assert first.began < second.began
    assert [t.settings.optimizers[0].learning_rate for t in (first, second)] == [0.5, 0.25]
    assert_same_live_as_from_disk(monitor, tmp_path)


def test_two_models_are_two_training_runs_with_separate_descriptions(tmp_path):
    monitor = light_monitor(tmp_path)
    fit(compiled(mlp(depth=0)), *regression_data(1), [monitor])
    fit(compiled(mlp(depth=1), "adam", loss="mae"), *regression_data(1), [monitor])
    first, second = read_run(tmp_path).trainings

    assert [len(t.model.variables) for t in (first, second)] == [2, 4]
    assert [t.settings.optimizers[0].type for t in (first, second)] == ["SGD", "Adam"]
    assert [t.settings.loss for t in (first, second)] == ["mse", "mae"]
    assert [list(t.records[0].gradients) == list(t.model.variables) for t in (first, second)]
    assert len(monitor.records) == 1
    assert_same_live_as_from_disk(monitor, tmp_path)


def test_compiling_during_fit_begins_another_training_run(tmp_path):
    def freeze(model):
        model.layers[0].trainable = False
        compiled(model, model.optimizer)
        model.make_train_function()

    monitor = probed(tmp_path)
    callbacks = [monitor, CallAt("on_epoch_end", freeze)]
    fit(compiled(mlp(depth=1)), *regression_data(1), callbacks, epochs=2)
    first, second = monitor.run.trainings

    assert [len(t.model.variables) for t in (first, second)] == [4, 2]
    assert second.id == f"{first.id}.2"
    assert [t.id for t in monitor.probe_run.trainings] == [first.id, second.id]
    assert_same_live_as_from_disk(monitor, tmp_path)


SCRIPT = """
    import sys
    import keras, numpy as np
    from vg_keras import GradientMonitor

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(int(sys.argv[2]), "relu")])
    model.compile("sgd", "mse", jit_compile=False)
    x = np.ones([8 * 4, 3])
    monitor = GradientMonitor(sys.argv[1], "batch")
    model.fit(x, np.ones([8 * 4, int(sys.argv[2])]), batch_size=8, verbose=2, callbacks=[monitor])
"""


def output_of_a_process(*command):
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_printed_command_quotes_a_path_with_spaces(tmp_path, capsys):
    folder = tmp_path / "my logs"
    compiled(mlp(depth=0)).fit(*regression_data(1), callbacks=[light_monitor(folder)])

    assert f"tensorboard --logdir '{folder}'\n" in capsys.readouterr().out


def test_running_a_script_twice_makes_two_training_runs_and_prints_so(
    tmp_path, monkeypatch, capsys
):
    script, log_dir = str(tmp_path / "script.py"), str(tmp_path / "logs")
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    monkeypatch.setattr(sys, "argv", [script, log_dir, "2"])
    runpy.run_path(script)
    first, second = capsys.readouterr().out, output_of_a_process(script, log_dir, "5")
    run = read_run(log_dir)

    assert steps_of(run) == [[0, 1, 2, 3], [0, 1, 2, 3]]
    assert [t.model.layers[0].variables[1].shape for t in run.trainings] == [(2,), (5,)]
    assert first.splitlines()[0] == (
        f"GradientMonitor writes to {log_dir}/gradients. "
        f"To look at it: tensorboard --logdir {log_dir}"
    )
    assert second.splitlines()[0] == (
        f"GradientMonitor writes to {log_dir}/gradients, which already holds 1 event file of "
        "earlier training runs. TensorBoard draws all of them in the same charts; use another "
        "`log_dir` to keep them apart. `read_run` keeps them apart in any case. "
        f"To look at it: tensorboard --logdir {log_dir}"
    )


@pytest.mark.parametrize(("verbose", "expected"), [(2, 1), (0, 0)])
def test_the_log_location_is_printed_once_unless_fit_is_silent(tmp_path, capsys, verbose, expected):
    model, monitor = compiled(mlp()), light_monitor(tmp_path)
    for _ in range(2):
        fit(model, *regression_data(1), [monitor], verbose=verbose)

    assert capsys.readouterr().out.count("GradientMonitor writes to") == expected


def test_the_log_location_of_a_custom_loop_is_printed_once(tmp_path, capsys):
    monitor, model = GradientMonitor(tmp_path), compiled(mlp())
    for _ in range(2):
        with monitor.watch(model):
            pass

    assert capsys.readouterr().out.count("GradientMonitor writes to") == 1


def test_nothing_is_printed_without_a_log_or_with_logging_off(tmp_path, capsys):
    fit(compiled(mlp()), *regression_data(1), [light_monitor(None)], verbose=2)
    keras.config.disable_interactive_logging()
    try:
        fit(compiled(mlp()), *regression_data(1), [light_monitor(tmp_path)])
    finally:
        keras.config.enable_interactive_logging()

    out = capsys.readouterr().out
    assert "GradientMonitor writes" not in out
    assert "tensorboard" not in out


def test_the_settings_describe_what_was_recorded_and_how(tmp_path):
    monitor = probed(tmp_path, 5, activations=False)
    fit(compiled(mlp()), *regression_data(1), [monitor])
    settings, of_probe = monitor.run.latest.settings, monitor.probe_run.latest.settings

    assert settings.update_freq == 5
    assert {"gradients", "update_norms"} <= set(settings.quantities)
    assert not {"activations", "weights", "first_moments"} & set(settings.quantities)
    assert settings.batch_size is None
    assert "update_norms" not in of_probe.quantities
    assert of_probe == dataclasses.replace(settings, quantities=of_probe.quantities)


def test_the_batch_size_is_the_first_records(tmp_path):
    monitor = GradientMonitor(tmp_path)
    fit(compiled(mlp()), *regression_data(2), [monitor])

    assert monitor.run.latest.settings.batch_size == 8


def test_ids_consist_of_the_utc_time_and_distinct_digits():
    ids = {new_id(0.0) for _ in range(20)}

    assert len(ids) > 1
    assert {one[:16] for one in ids} == {"19700101-000000-"}


def test_printing_the_runs_lists_them(tmp_path):
    monitor = GradientMonitor(tmp_path, "batch")
    empty = repr(monitor.run)
    fit(compiled(mlp()), *regression_data(2), [monitor])
    (training,) = monitor.run.trainings

    assert empty == "<Run None: 0 training runs>"
    assert repr(training) == f"<Training {training.id} of 'sequential': 2 records, step 0 to 1>"
    assert repr(monitor.run) == f"<Run {tmp_path}/gradients: 1 training run\n  {training!r}>"


def test_without_a_training_run_latest_raises():
    with pytest.raises(LookupError, match="No training run has been recorded yet"):
        _ = Run(None, ()).latest


def test_a_monitor_without_a_probe_has_no_probe_run():
    with pytest.raises(ValueError, match="This GradientMonitor has no probe"):
        _ = GradientMonitor(None).probe_run


def test_steps_repeated_after_resuming_are_taken_from_the_later_run(tmp_path):
    log = TrainingLog("gradients", ())
    for number, (steps, resumed_from) in enumerate([((0, 1, 2), None), ((1, 2, 3), 1)]):
        log.begin(Beginning(str(number), float(number), SETTINGS, resumed_from))
        for step in steps:
            log.add(full_record(step), MODEL)

    assert [record.step for record in log.records] == [0, 1, 2, 3]
    assert steps_of(log.run) == [[0, 1, 2], [1, 2, 3]]


def test_each_model_has_its_own_records(tmp_path):
    log = TrainingLog("gradients", ())
    log.add(full_record(0), MODEL)
    log.reset()
    log.begin(Beginning("other", 2.0, SETTINGS))
    log.add(full_record(5), model_of(*MODEL.layers))

    assert [record.step for record in log.records] == [5]
    assert steps_of(log.run) == [[0], [5]]


def test_many_training_runs_of_one_record_are_thinned_out_too(monkeypatch):
    record = full_record(0)
    monkeypatch.setattr(training_log, "MAX_BYTES", 10 * bytes_of(record))
    log = TrainingLog("gradients", ())
    for number in range(100):
        log.begin(Beginning(str(number), float(number), SETTINGS))
        log.add(full_record(number), MODEL)
    kept = [record.step for record in log.records]

    assert 2 < len(kept) <= 10
    assert (kept[0], kept[-1]) == (0, 99)
    assert kept == sorted(set(kept))
    assert len(log.run.trainings) == 100

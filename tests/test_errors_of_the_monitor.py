"""Any failure of the monitor itself causes one warning, and training continues unchanged."""

import functools
import threading
import warnings
from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import weights_of
from small_models import compiled, fit, light_monitor, mlp, regression_data

from vg_keras import GradientMonitor
from vg_keras.capture.buffer import Buffer
from vg_keras.capture.decode import Decoder
from vg_keras.capture.encode import Measurement
from vg_keras.log import charts
from vg_keras.log.writer import RecordWriter

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]


def trained(monitors, **how):
    model = compiled(mlp(), **how)
    fit(model, *regression_data(4), monitors)
    return weights_of(model)


def failing(error):
    def fail(*args, **kwargs):
        raise error

    return fail


HOST_HALF = {
    "reading": (Buffer, "read"),
    "making records": (Decoder, "record"),
    "making events": (charts, "record_event"),
    "writing": (RecordWriter, "_append"),
}
ERRORS = [MemoryError("by the test"), ValueError("message too large"), KeyError("by the test")]


@functools.cache
def weights_without_monitor():
    return trained([])


@pytest.mark.parametrize(
    ("place", "error"),
    [
        *((place, ERRORS[0]) for place in HOST_HALF),
        # Errors in making and in writing an event are caught at the same place.
        *product(["reading", "making records", "writing"], ERRORS[1:]),
    ],
)
def test_an_error_after_the_step_warns_once(tmp_path, monkeypatch, place, error):
    monitor = light_monitor(tmp_path, "batch")
    owner, name = HOST_HALF[place]

    def break_it(logs):  # once the event file is open
        monkeypatch.setattr(owner, name, failing(error))

    begin = keras.callbacks.LambdaCallback(on_train_begin=break_it)
    with pytest.warns(UserWarning, match="Training goes on") as caught:
        weights = trained([monitor, begin])

    assert weights == weights_without_monitor()
    assert len(caught) == 1


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}, {"jit_compile": True}])
def test_an_error_within_the_step_warns_once(monkeypatch, how):
    monkeypatch.setattr(Measurement, "store", failing(MemoryError("by the test")))
    with pytest.warns(UserWarning, match="could not measure a step") as caught:
        weights = trained([GradientMonitor(None, "batch")], **how)

    assert weights == trained([], **how)
    assert str(caught[0].message) == (
        "GradientMonitor could not measure a step of the model 'sequential': "
        "MemoryError('by the test'). Training goes on."
    )


@pytest.mark.parametrize("update_freq", ["batch", 2])
def test_if_the_recording_step_cannot_be_traced_the_models_own_runs(monkeypatch, update_freq):
    monkeypatch.setattr(
        "vg_keras.capture.observer.Observer.begin_step", failing(MemoryError("by the test"))
    )
    monitor = GradientMonitor(None, update_freq)
    with pytest.warns(UserWarning, match="could not trace a step") as caught:
        weights = trained([monitor])

    assert weights == trained([])
    assert monitor.records == []
    assert len(caught) == 1


def exhausting(*args):
    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


def test_if_a_recorded_step_runs_out_of_memory_the_models_own_runs(monkeypatch):
    # As when XLA cannot allocate memory for the compiled step, before any of it has run.
    monkeypatch.setattr("vg_keras.capture.train_function.trace", lambda *args: (None, False))
    recording = "vg_keras.capture.train_function.RecordingTrainFunction._make_recording"
    monkeypatch.setattr(recording, lambda self: exhausting)
    with pytest.warns(UserWarning, match="There is not enough memory to record") as caught:
        weights = trained([GradientMonitor(None, "batch")])

    assert weights == trained([])
    assert len(caught) == 1


def test_running_out_of_memory_after_a_variable_was_assigned_raises(monkeypatch):
    model = compiled(mlp())

    def half_done(*args):
        model.layers[0].bias.assign_add(tf.ones_like(model.layers[0].bias))
        exhausting()

    recording = "vg_keras.capture.train_function.RecordingTrainFunction._make_recording"
    monkeypatch.setattr(recording, lambda self: half_done)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        fit(model, *regression_data(4), [GradientMonitor(None, "batch")])


@pytest.fixture
def numerics_checked():
    tf.debugging.enable_check_numerics()
    yield
    tf.debugging.disable_check_numerics()


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_numerics_checks_do_not_fail_a_healthy_training_run(numerics_checked, how):
    x, y = regression_data(3)
    model = compiled(mlp(), **how)
    monitor = GradientMonitor(None, "batch", weights=True, probe=(x[:8], y[:8]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(model, x, y, [monitor])

    assert [record.step for record in monitor.records] == [0, 1, 2]
    assert len(monitor.probe_records) == 3


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_numerics_checks_do_not_prevent_measuring_large_values(numerics_checked, how):
    # Their squares overflow float32, which is not an error of the model.
    x, y = regression_data(1)
    model = compiled(mlp(activation="linear"), keras.optimizers.SGD(0.0), loss="mae", **how)
    monitor = GradientMonitor(None)
    fit(model, 1e30 * x, y, [monitor])

    expected = np.linalg.norm(1e30 * np.float64(x) @ model.layers[0].kernel.numpy())
    assert monitor.records[0].activations["sequential/dense"].norm == pytest.approx(expected)


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_numerics_checks_still_stop_a_sick_training_run(numerics_checked, how):
    x, y = regression_data(2)
    x[0, 0] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match="had NaN values"):
        fit(compiled(mlp(), **how), x, y, [GradientMonitor(None)])


def in_two_threads(*functions):
    """Runs functions concurrently and returns the errors that they raise."""
    errors = []
    barrier = threading.Barrier(len(functions))

    def run(function):
        barrier.wait()
        try:
            function()
        except Exception as error:  # noqa: BLE001 - the test inspects it
            errors.append(error)

    threads = [threading.Thread(target=run, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_two_threads_that_train_one_model_get_an_error():
    model = compiled(mlp())
    x, y = regression_data(4)
    fits = [lambda: fit(model, x, y, [GradientMonitor(None, "batch")], epochs=20) for _ in range(2)]
    before = vars(model.layers[0]).get("call")
    errors = in_two_threads(*fits)

    assert errors
    assert {type(error) for error in errors} == {RuntimeError}
    assert all("one after the other" in str(error) for error in errors)
    assert vars(model.layers[0]).get("call") is before


def test_two_threads_that_share_a_monitor_get_an_error():
    models = [compiled(mlp()), compiled(mlp())]
    monitor = GradientMonitor(None, "batch")
    errors = in_two_threads(
        *(lambda m=model: fit(m, *regression_data(4), [monitor], epochs=20) for model in models)
    )

    assert errors
    assert {type(error) for error in errors} == {RuntimeError}


def test_two_threads_each_with_a_model_and_a_monitor_train_normally():
    models = [compiled(mlp()), compiled(mlp())]
    monitors = [GradientMonitor(None, "batch") for _ in models]
    errors = in_two_threads(
        *(
            lambda m=model, c=monitor: fit(m, *regression_data(4), [c], epochs=3)
            for model, monitor in zip(models, monitors, strict=True)
        )
    )

    assert errors == []
    assert [[len(r.gradients) for r in m.records] for m in monitors] == [[4] * 12] * 2


def test_a_thread_can_take_over_after_another_threads_training_failed():
    model = compiled(mlp())
    monitor = GradientMonitor(None, "batch")
    x, y = regression_data(2)
    broken = keras.callbacks.LambdaCallback(on_train_batch_end=failing(KeyError("by the test")))
    first = in_two_threads(lambda: fit(model, x, y, [monitor, broken]))
    second = in_two_threads(lambda: fit(model, x, y, [monitor]))

    assert ([type(error) for error in first], second) == ([KeyError], [])

"""Whatever happens, the monitor restores what it replaces, and each step is traced only once."""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import weights_of
from small_models import BATCH_SIZE, CallAt, CustomTrainStep, compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor

# Keras 3.15 saves weights in a way that NumPy 2 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.usefixtures("graphs_as_traced"),
]


def fail(model):
    raise RuntimeError("by the test")


def interrupt(model):
    raise KeyboardInterrupt


def prepared():
    """A model whose own train function has run, and that function."""
    model = compiled(mlp(depth=0))
    fit(model, *regression_data(1))
    return model, model.train_function


def assert_as_found(model, train_function):
    assert model.train_function is train_function
    assert "apply" not in vars(model.optimizer)
    assert "train_step" not in vars(model)


def test_the_model_is_restored_after_fit():
    model, train_function = prepared()
    fit(model, *regression_data(), [GradientMonitor(None, "batch")])

    assert_as_found(model, train_function)


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_train_batch_end", "on_epoch_end"])
@pytest.mark.parametrize("failure", [fail, interrupt])
def test_the_model_is_restored_after_a_callback_that_raises(hook, failure):
    model, train_function = prepared()
    callbacks = [GradientMonitor(None, "batch"), CallAt(hook, failure)]
    with pytest.raises((RuntimeError, KeyboardInterrupt)):
        fit(model, *regression_data(2), callbacks)

    assert_as_found(model, train_function)


def test_an_error_between_the_monitor_and_the_batch_restores_the_model():
    model, train_function = prepared()
    callbacks = [GradientMonitor(None, "batch"), CallAt("on_train_batch_begin", fail)]
    with pytest.raises(RuntimeError):
        fit(model, *regression_data(2), callbacks)
    fit(model, *regression_data(1))

    assert_as_found(model, train_function)


def broken_data(num_batches):
    x, y = regression_data(num_batches)
    for start in range(0, len(x), BATCH_SIZE):
        yield x[start : start + BATCH_SIZE], y[start : start + BATCH_SIZE]
    raise ZeroDivisionError("by the test")


def test_the_model_is_restored_after_data_that_raises():
    model, train_function = prepared()
    monitor = GradientMonitor(None, "batch")
    with pytest.raises(Exception, match="by the test"):
        fit(model, broken_data(3), None, [monitor], batch_size=None)

    assert len(monitor.records) == 3
    assert_as_found(model, train_function)


def test_the_model_is_restored_after_a_batch_of_the_wrong_shape():
    model, train_function = prepared()
    with pytest.raises(ValueError, match="incompatible"):
        fit(model, np.zeros([8, 5]), np.zeros([8, 2]), [GradientMonitor(None, "batch")])

    assert_as_found(model, train_function)


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_end"])
def test_a_fit_without_the_monitor_after_an_aborted_one_records_nothing(hook):
    def trained(monitors):
        model = compiled(mlp(depth=0))
        with pytest.raises(RuntimeError):
            fit(model, *regression_data(), [*monitors, CallAt(hook, fail)])
        recorded = [len(m.records) for m in monitors]
        fit(model, *regression_data())
        return weights_of(model), recorded, [len(m.records) for m in monitors]

    weights, before, after = trained([GradientMonitor(None, "batch")])
    expected, _, _ = trained([])

    assert weights == expected
    assert after == before


def test_a_fit_with_the_monitor_after_an_aborted_one_continues_recording(tmp_path):
    model = compiled(mlp(depth=0))
    monitor = GradientMonitor(tmp_path, 2)
    with pytest.raises(RuntimeError):
        fit(model, *regression_data(7), [monitor, CallAt("on_train_batch_end", fail, at=4)])
    fit(model, *regression_data(3), [monitor])

    assert [record.step for record in monitor.records] == [0, 2, 4, 6]


def test_a_train_step_set_on_the_instance_is_kept():
    model = compiled(mlp(depth=0))
    calls = []
    train_step = model.train_step

    def own_train_step(data):
        calls.append(data)
        return train_step(data)

    vars(model)["train_step"] = own_train_step
    monitor = GradientMonitor(None, "batch")
    fit(model, *regression_data(3), [monitor])

    assert vars(model)["train_step"] is own_train_step
    assert len(calls) == 1
    assert len(monitor.records) == 3


def custom():
    """A built model with a built optimizer: a function that creates variables is traced twice."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = CustomTrainStep()
    model(np.zeros([1, 4]))
    compiled(model).optimizer.build(model.trainable_variables)
    return model


def test_the_train_step_is_traced_once_plain_and_once_for_recording():
    model = custom()
    monitor = GradientMonitor(None, update_freq=3)
    fit(model, *regression_data(7), [monitor])

    assert model.num_traces == 2


def test_the_train_step_is_traced_once_if_every_step_is_recorded():
    model = custom()
    fit(model, *regression_data(7), [GradientMonitor(None, "batch")])

    assert model.num_traces == 1


def test_nothing_is_traced_again_in_later_fits():
    model = custom()
    monitor = GradientMonitor(None, update_freq=3)
    for _ in range(3):
        fit(model, *regression_data(7), [monitor])

    assert model.num_traces == 2


def test_each_input_shape_is_traced_once_plain_and_once_for_recording():
    x, y = regression_data(4)

    def traces(monitors):
        model = custom()
        for width in (8, 16, 8, 16):
            data = tf.data.Dataset.from_tensor_slices((x, y)).batch(width, drop_remainder=True)
            fit(model, data, None, monitors, batch_size=None)
        return model.num_traces

    assert traces([GradientMonitor(None, update_freq=2)]) == 2 * traces([])


def test_a_model_can_be_saved_while_it_is_monitored(tmp_path):
    model = compiled(mlp(depth=0))
    save = CallAt("on_epoch_end", lambda model: model.save(tmp_path / "model.keras"))
    fit(model, *regression_data(), [GradientMonitor(None, "batch"), save])
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert [w.tobytes() for w in loaded.get_weights()] == [w.tobytes() for w in model.get_weights()]


COPIES = {
    "clone": keras.models.clone_model,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_a_model_can_be_copied_during_and_after_monitoring(duplicate):
    model = compiled(mlp(depth=0))
    copies = []
    during = CallAt("on_epoch_end", lambda model: copies.append(duplicate(model)))
    fit(model, *regression_data(), [GradientMonitor(None, "batch"), during])
    copies.append(duplicate(model))

    for copied in copies:
        copied.set_weights(model.get_weights())
        fit(compiled(copied), *regression_data(1))
    fit(compiled(model), *regression_data(1))
    assert np.array_equal(copies[0].get_weights()[0], model.get_weights()[0])
    assert np.array_equal(copies[1].get_weights()[0], model.get_weights()[0])


def test_a_copied_model_can_be_monitored():
    model = compiled(mlp(depth=0))
    first, second = GradientMonitor(None, "batch"), GradientMonitor(None, "batch")
    fit(model, *regression_data(2), [first])
    copied = copy.deepcopy(model)
    fit(copied, *regression_data(2), [second])

    assert [record.step for record in first.records] == [0, 1]
    assert [record.step for record in second.records] == [2, 3]


def test_the_model_keeps_no_variables_of_the_monitor():
    model, _ = prepared()
    before = [v.path for v in model.variables] + [v.path for v in model.optimizer.variables]
    fit(model, *regression_data(), [GradientMonitor(None, "batch")])

    after = [v.path for v in model.variables] + [v.path for v in model.optimizer.variables]
    assert after == before


def test_train_on_batch_after_a_failed_fit_is_not_recorded():
    model, train_function = prepared()
    monitor = GradientMonitor(None, "batch")
    with pytest.raises(RuntimeError):
        fit(model, *regression_data(2), [monitor, CallAt("on_train_batch_begin", fail, at=1)])
    before = len(monitor.records)
    model.train_on_batch(*regression_data(1))

    assert len(monitor.records) == before == 1
    assert_as_found(model, train_function)


def test_a_switch_to_eager_steps_warns_with_its_cause():
    model, _ = prepared()
    model.run_eagerly = True
    with pytest.warns(UserWarning, match="no longer the one that was traced") as caught:
        fit(model, *regression_data(2), [GradientMonitor(None)])

    changed = "it runs differently, for example because `run_eagerly` was changed"
    assert changed in str(caught[0].message)

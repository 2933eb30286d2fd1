"""Which steps a monitor records over one fit and over several fits."""

import keras
import pytest
import tensorflow as tf
from small_models import CallAt, compiled, fit, light_monitor, mlp, regression_data

from vg_keras import read_run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]


def steps_of(monitor):
    return [record.step for record in monitor.records]


def test_the_first_step_and_every_multiple_are_recorded():
    monitor = light_monitor(None, update_freq=3)
    fit(compiled(mlp(depth=0)), *regression_data(7), [monitor])

    assert steps_of(monitor) == [0, 3, 6]


def test_the_first_step_of_every_epoch_is_recorded():
    monitor = light_monitor(None, update_freq="epoch")
    fit(compiled(mlp(depth=0)), *regression_data(4), [monitor], epochs=3)

    assert steps_of(monitor) == [0, 4, 8]


def test_every_batch_is_recorded():
    monitor = light_monitor(None, update_freq="batch")
    fit(compiled(mlp(depth=0)), *regression_data(4), [monitor])

    assert steps_of(monitor) == [0, 1, 2, 3]


def test_the_first_steps_are_recorded_by_default():
    monitor = light_monitor(None)
    fit(compiled(mlp(depth=0)), *regression_data(51), [monitor], epochs=2)

    assert steps_of(monitor) == [0, 1, 2, 5, 10, 20, 50, 100]


def test_several_fits_continue_where_the_last_one_stopped():
    model = compiled(mlp(depth=0))
    monitor = light_monitor(None, update_freq=3)
    for _ in range(3):
        fit(model, *regression_data(4), [monitor])

    assert steps_of(monitor) == [0, 3, 6, 9]


def test_a_first_step_that_is_not_a_multiple_is_recorded_too():
    model = compiled(mlp(depth=0))
    fit(model, *regression_data(7))
    monitor = light_monitor(None, update_freq=5)
    fit(model, *regression_data(7), [monitor])

    assert steps_of(monitor) == [7, 10]


def test_resumed_iterations_number_the_steps():
    model = compiled(mlp(depth=0))
    model.optimizer.iterations.assign(1001)
    monitor = light_monitor(None, update_freq=3)
    fit(model, *regression_data(5), [monitor])

    assert steps_of(monitor) == [1001, 1002, 1005]


def test_a_first_step_that_is_not_a_multiple_is_recorded_in_an_execution():
    model = compiled(mlp(depth=0), steps_per_execution=4)
    model.optimizer.iterations.assign(7)
    monitor = light_monitor(None, update_freq=3)
    fit(model, *regression_data(6), [monitor])

    assert steps_of(monitor) == [7, 9, 12]


def test_after_a_fit_without_the_monitor_multiples_are_recorded_again():
    model = compiled(mlp(depth=0))
    monitor = light_monitor(None, update_freq=5)
    fit(model, *regression_data(4), [monitor])
    fit(model, *regression_data(8))
    fit(model, *regression_data(8), [monitor])

    assert steps_of(monitor) == [0, 15]


def test_lowered_iterations_lower_the_step_numbers():
    model = compiled(mlp(depth=0))
    monitor = light_monitor(None, update_freq=2)
    fit(model, *regression_data(4), [monitor])
    model.optimizer.iterations.assign(0)
    fit(model, *regression_data(4), [monitor])

    assert steps_of(monitor) == [0, 2, 0, 2]


def test_a_shortened_epoch_loses_no_step():
    model = compiled(mlp(depth=0))
    monitor = light_monitor(None, update_freq=3)

    def stop(model):
        model.stop_training = True

    fit(model, *regression_data(7), [monitor, CallAt("on_train_batch_end", stop, at=1)], epochs=2)
    fit(model, *regression_data(7), [monitor])

    assert steps_of(monitor) == [0, 3, 6]


def test_a_step_due_in_the_missing_part_of_an_execution_is_recorded_next():
    model = compiled(mlp(depth=0), steps_per_execution=4)
    monitor = light_monitor(None, update_freq=7)
    fit(model, *regression_data(7), [monitor], epochs=2)

    assert steps_of(monitor) == [0, 7]


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_every_batch_of_data_of_unknown_length_is_recorded():
    batches = tf.data.Dataset.from_tensor_slices(regression_data(4)).batch(8)
    unknown = batches.filter(lambda x, y: True)
    monitor = light_monitor(None, update_freq="batch")
    fit(compiled(mlp(depth=0)), unknown, None, [monitor], batch_size=None, epochs=3)

    # Keras 3.15 counts the step for which it finds no more data, so some numbers are skipped.
    assert len(steps_of(monitor)) == 12
    assert steps_of(monitor) == sorted(set(steps_of(monitor)))


def test_another_model_restarts_the_records():
    monitor = light_monitor(None, update_freq=3)
    fit(compiled(mlp(depth=0)), *regression_data(4), [monitor])
    fit(compiled(mlp(depth=1)), *regression_data(5), [monitor])

    assert steps_of(monitor) == [0, 3]
    assert [len(record.gradients) for record in monitor.records] == [4, 4]


def test_a_recompiled_model_is_recorded_from_its_new_first_step():
    model = compiled(mlp(depth=0))
    monitor = light_monitor(None, update_freq=3)
    fit(model, *regression_data(5), [monitor])
    compiled(model, keras.optimizers.Adam())
    fit(model, *regression_data(5), [monitor])

    assert steps_of(monitor) == [0, 3, 0, 3]


def test_a_recompiled_model_keeps_earlier_records(tmp_path):
    model = compiled(mlp(depth=0))
    monitor = light_monitor(tmp_path, update_freq=3)
    fit(model, *regression_data(8), [monitor])
    compiled(model, keras.optimizers.Adam())
    for _ in range(3):
        fit(model, *regression_data(4), [monitor])

    assert steps_of(monitor) == [0, 3, 6, 0, 3, 6, 9]
    trainings = read_run(tmp_path).trainings
    assert [[record.step for record in training.records] for training in trainings] == [
        [0, 3, 6],
        [0, 3],
        [6],
        [9],
    ]


def test_recompiling_with_the_same_optimizer_continues_the_steps():
    model = compiled(mlp(depth=0))
    monitor = light_monitor(None, update_freq=4)
    fit(model, *regression_data(3), [monitor])
    compiled(model, model.optimizer, loss="mae")
    fit(model, *regression_data(7), [monitor])

    assert steps_of(monitor) == [0, 3, 4, 8]


def test_recompiling_with_other_steps_per_execution_loses_no_step():
    model = compiled(mlp(depth=0))
    monitor = light_monitor(None, update_freq="batch")
    fit(model, *regression_data(3), [monitor])
    compiled(model, model.optimizer, steps_per_execution=3)
    fit(model, *regression_data(4), [monitor])
    compiled(model, model.optimizer, steps_per_execution=1)
    fit(model, *regression_data(2), [monitor])

    assert steps_of(monitor) == list(range(9))


def test_zero_epochs_record_nothing():
    monitor = light_monitor(None)
    fit(compiled(mlp(depth=0)), *regression_data(2), [monitor], epochs=0)

    assert monitor.records == []


@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_an_unbuilt_model_has_the_same_schedule(steps_per_execution):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2)])
    monitor = light_monitor(None, update_freq=2)
    fit(
        compiled(model, steps_per_execution=steps_per_execution),
        *regression_data(5),
        [monitor],
        epochs=2,
    )

    assert steps_of(monitor) == [0, 2, 4, 6, 8]

"""Situations around the steps: several fits, resuming, stopping, copies, several models."""

import copy
import pickle

import keras
import numpy as np
import pytest
from layers_and_models import TARGET, VECTORS, dense, sequential
from reference import assert_is_sketch_of
from small_models import CallAt, reset_keras
from twin import derive_by_compiled_loss
from way import Way

from vg_keras import GradientMonitor, read_run

# Keras 3.15 saves weights in a way that NumPy 2 warns of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.usefixtures("graphs_as_traced"),
]

WAY = Way("mlp", sequential([4], dense(8, "relu"), dense(2)), VECTORS, TARGET)
BATCH = (VECTORS[:8], TARGET[:8], None)


def fit(model, monitors, num=24, **how):
    x, y = VECTORS[:num], TARGET[:num]
    how = {"batch_size": 8, "shuffle": False, "verbose": 0, **how}
    return model.fit(x, y, callbacks=monitors, **how)


def assert_first_batch_agrees(record, expected):
    assert set(record.gradients) == set(expected.gradients)
    for path, gradient in expected.gradients.items():
        assert_is_sketch_of(record.gradients[path], gradient)
    assert record.activations
    assert set(record.activations) == set(record.activation_gradients)
    for path in record.activations:
        assert_is_sketch_of(record.activations[path], expected.outputs[path])
        assert_is_sketch_of(record.activation_gradients[path], expected.output_gradients[path])


def test_frozen_and_unfrozen_between_fits():
    model = WAY.monitored_model()
    monitor = GradientMonitor(None, "batch")
    expected = []
    for trainable in (True, False, True):
        model.layers[0].trainable = trainable
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        expected.append(derive_by_compiled_loss(model, BATCH))
        fit(model, [monitor], num=8)

    assert [len(record.gradients) for record in monitor.records] == [4, 2, 4]
    for record, step in zip(monitor.records, expected, strict=True):
        assert_first_batch_agrees(record, step)


def resumable(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    monitor = GradientMonitor(tmp_path / "logs", "batch")
    return WAY.monitored_model(), monitor, backup


def test_a_resumed_run_continues_the_step_numbers(tmp_path):
    model, monitor, backup = resumable(tmp_path)

    def fail(model):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, [monitor, backup, CallAt("on_train_batch_begin", fail, at=5)], epochs=3)
    model, monitor, backup = resumable(tmp_path)
    fit(model, [monitor, backup], epochs=3)
    whole = WAY.monitored_model()
    uninterrupted = GradientMonitor(None, "batch")
    fit(whole, [uninterrupted], epochs=3)

    aborted, resumed = read_run(tmp_path / "logs").trainings
    assert (aborted.resumed_from, resumed.resumed_from) == (None, 3)
    assert [record.step for record in aborted.records] == [0, 1, 2, 3, 4]
    records = [*aborted.records[:3], *resumed.records]
    assert [record.step for record in records] == list(range(9))
    for record, expected in zip(records, uninterrupted.records, strict=True):
        for path, sketch in expected.gradients.items():
            assert record.gradients[path].norm == pytest.approx(sketch.norm, rel=1e-5)


def test_two_models_monitored_in_turn_in_one_process():
    reset_keras()
    models = [WAY.model(), WAY.model()]
    monitors = [GradientMonitor(None, "batch"), GradientMonitor(None, "batch")]
    expected = []
    for model in models:
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        expected.append(derive_by_compiled_loss(model, BATCH))
    for _ in range(2):
        for model, monitor in zip(models, monitors, strict=True):
            fit(model, [monitor], num=8)

    for monitor, step in zip(monitors, expected, strict=True):
        assert [record.step for record in monitor.records] == [0, 1]
        assert_first_batch_agrees(monitor.records[0], step)


def test_a_model_that_is_trained_within_a_callback_of_another_training():
    reset_keras()
    models = [WAY.model(), WAY.model()]
    for model in models:
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    expected = [derive_by_compiled_loss(model, BATCH) for model in models]
    outer, inner = GradientMonitor(None, "batch"), GradientMonitor(None, "batch")
    nested = CallAt("on_epoch_begin", lambda _: fit(models[1], [inner], num=8))
    fit(models[0], [outer, nested], num=8)

    for monitor, step in zip((outer, inner), expected, strict=True):
        (record,) = monitor.records
        assert_first_batch_agrees(record, step)


def saved_and_loaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.saving.load_model(tmp_path / "model.keras")


COPIES = {
    "save and load": saved_and_loaded,
    "copy.deepcopy": lambda model, _: copy.deepcopy(model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_a_copy_made_while_the_model_is_monitored_is_monitored_alike(tmp_path, duplicate):
    model = WAY.monitored_model()
    copies = []
    during = CallAt("on_train_batch_end", lambda m: copies.append(duplicate(m, tmp_path)), at=0)
    monitor = GradientMonitor(None, "batch")
    fit(model, [monitor, during], num=16)
    (copied,) = copies
    other = GradientMonitor(None, "batch")
    copied.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    copied.fit(VECTORS[8:16], TARGET[8:16], batch_size=8, verbose=0, callbacks=[other])

    norms = [
        [sketch.norm for sketch in (*r.gradients.values(), *r.activation_gradients.values())]
        for r in (monitor.records[1], other.records[0])
    ]
    assert len(norms[0]) == 6
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)


def test_early_stopping_ends_the_log_whole(tmp_path):
    stop = keras.callbacks.EarlyStopping("loss", patience=0, mode="max")
    monitor = GradientMonitor(tmp_path, "batch")
    history = fit(WAY.monitored_model(), [monitor, stop], epochs=10)

    steps = [record.step for record in read_run(tmp_path).latest.records]
    assert len(history.history["loss"]) == 2
    assert steps == list(range(6)) == [record.step for record in monitor.records]


def test_a_keyboard_interrupt_leaves_what_was_recorded(tmp_path):
    def interrupt(model):
        raise KeyboardInterrupt

    monitor = GradientMonitor(tmp_path, "batch")
    with pytest.raises(KeyboardInterrupt):
        fit(WAY.monitored_model(), [monitor, CallAt("on_train_batch_end", interrupt, at=1)])

    assert len(monitor.records) == 2  # blocks until they are written
    assert [record.step for record in read_run(tmp_path).latest.records] == [0, 1]


def test_weights_are_sketched_only_on_request():
    model = WAY.monitored_model()
    before = {v.path: v.numpy() for v in model.trainable_variables}
    monitor = GradientMonitor(None, "batch", weights=True)
    fit(model, [monitor], num=8)

    (record,) = monitor.records
    assert set(record.weights) == set(before)
    for path, values in before.items():
        if values.any():
            assert_is_sketch_of(record.weights[path], values)


def test_switched_off_quantities_are_left_out():
    monitor = GradientMonitor(None, 100, activations=False, updates=False)
    fit(WAY.monitored_model(), [monitor])

    (record,) = monitor.records
    assert len(record.gradients) == 4
    assert [record.activations, record.activation_gradients, record.update_norms] == [{}, {}, {}]


def test_the_regularizers_part_of_a_gradient_is_separated():
    make = sequential(
        [4], dense(8, "relu", kernel_regularizer=keras.regularizers.L2(0.3)), dense(2)
    )
    model = Way("l2", make, VECTORS, TARGET).monitored_model()
    whole = derive_by_compiled_loss(model, BATCH).gradients
    path = "sequential/dense/kernel"
    penalty = 0.6 * model.layers[0].kernel.numpy().astype(np.float64)
    monitor = GradientMonitor(None)
    fit(model, [monitor], num=8)

    (record,) = monitor.records
    assert_is_sketch_of(record.regularization_gradients[path], penalty)
    assert_is_sketch_of(record.data_loss_gradients[path], whole[path] - penalty, rel=1e-3)
    assert_is_sketch_of(record.gradients[path], whole[path])
    assert list(record.data_loss_gradients) == list(record.regularization_gradients) == [path]


def test_a_gradient_consisting_of_weight_decay_only_is_recognizable():
    # All sample weights are zero, so the data loss vanishes.
    make = sequential([4], dense(8, kernel_regularizer="l2"), dense(2))
    model = Way("decay", make, VECTORS, TARGET).monitored_model()
    monitor = GradientMonitor(None)
    fit(model, [monitor], num=8, sample_weight=np.zeros(8, np.float32))

    (record,) = monitor.records
    path = "sequential/dense/kernel"
    assert record.gradients[path].norm > 0
    assert record.gradients[path].norm == record.regularization_gradients[path].norm
    assert record.data_loss_gradient(path).norm == 0

"""The recorded gradients are the ones that train the model, whichever way Keras runs the step.

With plain SGD the gradient is the decrease of the weights divided by the learning rate, so the same
training run without a monitor gives the expected value of every norm.
"""

import keras
import numpy as np
import pytest
from reference import assert_is_sketch_of, norms_by_weight_changes, sigmoid_gradients
from small_models import (
    BATCH_SIZE,
    LEARNING_RATE,
    compiled,
    fit,
    light_monitor,
    mlp,
    regression_data,
)

from vg_keras import GradientMonitor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

EPOCHS = 2
NUM_BATCHES = 7


@pytest.fixture(scope="module")
def expected():
    x, y = regression_data(NUM_BATCHES)
    return norms_by_weight_changes(compiled(mlp()), x, y, LEARNING_RATE, BATCH_SIZE, EPOCHS)


def norms_recorded(update_freq="batch", **how):
    x, y = regression_data(NUM_BATCHES)
    monitor = light_monitor(None, update_freq)
    fit(compiled(mlp(), **how), x, y, [monitor], epochs=EPOCHS)
    return {
        record.step: {path: sketch.norm for path, sketch in record.gradients.items()}
        for record in monitor.records
    }


def assert_steps_agree(recorded, expected, steps):
    assert list(recorded) == list(steps)
    for step in steps:
        assert recorded[step] == pytest.approx(expected[step], rel=1e-4)


def test_norms_are_right_without_xla(expected):
    recorded = norms_recorded(jit_compile=False)

    assert_steps_agree(recorded, expected, range(14))


def test_norms_are_right_under_xla(expected):
    recorded = norms_recorded(jit_compile=True)

    assert_steps_agree(recorded, expected, range(14))


def test_norms_are_right_if_keras_decides_on_xla(expected):
    recorded = norms_recorded(jit_compile="auto")

    assert_steps_agree(recorded, expected, range(14))


def test_norms_are_right_in_eager_training(expected):
    recorded = norms_recorded(run_eagerly=True)

    assert_steps_agree(recorded, expected, range(14))


# 7 batches per epoch: its second execution runs three of four possible steps.
@pytest.mark.parametrize(
    ("update_freq", "steps", "jit_compile"),
    [
        ("batch", range(14), False),
        (3, range(0, 14, 3), False),
        ("epoch", [0, 7], False),
        (3, range(0, 14, 3), True),
    ],
)
def test_norms_with_several_steps_per_execution_are_right(
    expected, update_freq, steps, jit_compile
):
    recorded = norms_recorded(update_freq, steps_per_execution=4, jit_compile=jit_compile)

    assert_steps_agree(recorded, expected, steps)


def test_norms_with_several_steps_per_eager_execution_are_right(expected):
    recorded = norms_recorded(3, steps_per_execution=4, run_eagerly=True)

    assert_steps_agree(recorded, expected, range(0, 14, 3))


def test_norms_are_right_if_executions_are_shorter_than_the_update_freq(expected):
    recorded = norms_recorded(5, steps_per_execution=2)

    assert_steps_agree(recorded, expected, [0, 5, 10])


def test_norms_are_right_if_an_execution_is_longer_than_the_epoch(expected):
    recorded = norms_recorded(2, steps_per_execution=10)

    assert_steps_agree(recorded, expected, range(0, 14, 2))


@pytest.mark.parametrize("how", [{}, {"jit_compile": True}, {"run_eagerly": True}])
def test_gradients_too_small_to_move_the_weights_are_right(how):
    x, y = regression_data(num_batches=3)
    model = compiled(mlp(depth=8, activation="sigmoid"), **how)
    weights = [w.astype(np.float64) for w in model.get_weights()]
    monitor = light_monitor(None, "batch")
    fit(model, x, y, [monitor])

    assert [record.step for record in monitor.records] == [0, 1, 2]
    for record in monitor.records:
        batch = slice(record.step * BATCH_SIZE, (record.step + 1) * BATCH_SIZE)
        gradients = sigmoid_gradients(weights, x[batch], y[batch])
        assert np.linalg.norm(gradients[0]) < 1e-5  # steps of a few ulp of the weights
        for sketch, gradient in zip(record.gradients.values(), gradients, strict=True):
            assert_is_sketch_of(sketch, gradient)
        weights = [w - LEARNING_RATE * g for w, g in zip(weights, gradients, strict=True)]


def test_each_value_is_counted_in_its_bucket():
    x, y = regression_data(num_batches=1)
    model = compiled(mlp(depth=3, activation="sigmoid"))
    weights = [w.astype(np.float64) for w in model.get_weights()]
    monitor = GradientMonitor(None)
    fit(model, x, y, [monitor])

    sketches = monitor.records[0].gradients.values()
    for sketch, gradient in zip(sketches, sigmoid_gradients(weights, x, y), strict=True):
        edges, counts = sketch.intervals()
        below = [
            np.count_nonzero(gradient <= edge * (1 + np.sign(edge) * 1e-5)) for edge in edges[:, 1]
        ]
        assert np.cumsum(counts).tolist() == below


def test_a_smaller_last_batch_is_recorded():
    x, y = regression_data(num_batches=2)
    x, y = x[:-3], y[:-3]
    expected = norms_by_weight_changes(compiled(mlp()), x, y, LEARNING_RATE, BATCH_SIZE)
    monitor = GradientMonitor(None, "batch")
    fit(compiled(mlp()), x, y, [monitor])

    norms = {path: sketch.norm for path, sketch in monitor.records[1].gradients.items()}
    assert norms == pytest.approx(expected[1], rel=1e-4)


def test_validation_during_training_is_not_recorded(expected):
    x, y = regression_data(NUM_BATCHES)
    monitor = GradientMonitor(None, "batch")
    fit(compiled(mlp()), x, y, [monitor], epochs=EPOCHS, validation_data=(x, y))

    norms = [{p: s.norm for p, s in r.gradients.items()} for r in monitor.records]
    assert len(norms) == 14
    assert norms[13] == pytest.approx(expected[13], rel=1e-4)


def test_the_gradient_uses_the_dropout_mask_that_trained():
    def model():
        keras.utils.clear_session()
        keras.utils.set_random_seed(3)
        return compiled(
            keras.Sequential(
                [
                    keras.Input([4]),
                    keras.layers.Dense(16, activation="relu"),
                    keras.layers.Dropout(0.5, seed=1),
                    keras.layers.Dense(2),
                ]
            )
        )

    x, y = regression_data(num_batches=3)
    expected = norms_by_weight_changes(model(), x, y, LEARNING_RATE, BATCH_SIZE)
    monitor = GradientMonitor(None, "batch")
    fit(model(), x, y, [monitor])

    for record, norms in zip(monitor.records, expected, strict=True):
        assert {p: s.norm for p, s in record.gradients.items()} == pytest.approx(norms, rel=1e-4)

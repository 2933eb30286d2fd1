"""Changes of anything that a train step may assign are detected."""

import keras
import pytest
import tensorflow as tf
from keras import layers
from small_models import compiled, fit, regression_data, reset_keras

from vg_keras.capture.model_state import ModelState

pytestmark = pytest.mark.usefixtures("graphs_as_traced")


@pytest.fixture
def model():
    reset_keras()
    parts = [layers.Dense(3), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(2)]
    model = compiled(
        keras.Sequential([keras.Input([4]), *parts]), keras.optimizers.Adam(), metrics=["mae"]
    )
    fit(model, *regression_data(2))
    return model


def test_an_untouched_state_is_unchanged(model):
    state = ModelState(model)
    model.predict(regression_data(1)[0], verbose=0)

    assert not state.has_changed()


@pytest.mark.parametrize(
    "variable",
    [
        lambda model: model.layers[0].kernel,
        lambda model: model.layers[1].moving_mean,
        lambda model: model.optimizer.iterations,
        lambda model: model.optimizer.variables[-1],
        lambda model: model.layers[2].seed_generator.state,
        lambda model: model.metrics_variables[0],
    ],
)
def test_a_change_of_any_variable_is_detected(model, variable):
    state = ModelState(model)
    changed = variable(model)
    changed.assign_add(tf.ones_like(changed.value))

    assert state.has_changed()


def test_the_smallest_change_is_detected_next_to_a_nonfinite_value(model):
    bias = model.layers[0].bias
    bias.assign([float("nan"), 1.0, 2.0])
    state = ModelState(model)
    bias.assign([float("nan"), 1.0, 2.0000002])

    assert state.has_changed()

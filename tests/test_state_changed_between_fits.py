"""Changes of Python state after the train function was traced: the monitor trains the same step.

Keras traces the train function once; later changes in Python take effect at the next `compile`. A
recording function that was traced later would see the change and train differently.
"""

import warnings

import keras
import pytest
from keras import layers
from reference import weights_of
from small_models import compiled, fit, regression_data, reset_keras

from vg_keras import GradientMonitor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]


def small_model():
    reset_keras()
    hidden = layers.Dense(8, "relu", name="hidden", kernel_regularizer=keras.regularizers.L2(0.01))
    parts = [hidden, layers.Dropout(0.1, name="drop"), layers.Dense(2, name="out")]
    return keras.Sequential([keras.Input([4]), *parts], name="model")


def set_attribute(of, name, value):
    return lambda model: setattr(of(model), name, value)


def optimizer(model):
    return model.optimizer


def hidden(model):
    return model.layers[0]


CHANGES = {
    "Dropout.rate": set_attribute(lambda model: model.layers[1], "rate", 0.9),
    "frozen": set_attribute(hidden, "trainable", False),
    "activation": set_attribute(hidden, "activation", keras.activations.tanh),
    "regularizer": set_attribute(lambda model: hidden(model).kernel.regularizer, "l2", 0.5),
    "constraint": set_attribute(
        lambda model: hidden(model).kernel, "constraint", keras.constraints.NonNeg()
    ),
    "clipnorm": set_attribute(optimizer, "clipnorm", 1e-3),
    "global_clipnorm": set_attribute(optimizer, "global_clipnorm", 1e-3),
}
KEPT = ["Dropout.rate", "frozen", "regularizer", "clipnorm"]
"""One change each of a layer's call, of what is trained, of the loss and of the optimizer."""
NO_CHANGES = {
    "nothing": lambda model: None,
    "learning rate": set_attribute(optimizer, "learning_rate", 0.01),
    "weights": lambda model: model.set_weights([w / 2 for w in model.get_weights()]),
}
WAYS = {"graph": {}, "xla": {"jit_compile": True}, "several steps": {"steps_per_execution": 2}}


def trained(change, first, then, **how):
    """Trains, changes something and continues training, with monitors for either part."""
    model = compiled(small_model(), keras.optimizers.SGD(0.1), **how)
    fit(model, *regression_data(4), first)
    change(model)
    fit(model, *regression_data(4), then, epochs=2)
    return weights_of(model)


@pytest.mark.parametrize(
    ("change", "how"),
    [
        *((change, WAYS["graph"]) for change in CHANGES),
        *(("frozen", WAYS[way]) for way in ("xla", "several steps")),
    ],
)
def test_a_step_that_differs_from_the_traced_one_is_not_recorded(change, how):
    monitor = GradientMonitor(None, "batch")
    with pytest.warns(UserWarning, match="no longer the one that was traced") as caught:
        weights = trained(CHANGES[change], [], [monitor], **how)

    assert weights == trained(CHANGES[change], [], [], **how)
    assert monitor.records == []
    assert len(caught) == 1


MESSAGES = {
    "Dropout.rate": (
        "the constant 'model_1/drop_1/stateless_dropout/GreaterEqual/y' is 0.9 and was 0.1"
    ),
    "frozen": "it no longer updates 'model/hidden/kernel', 'model/hidden/bias'",
}


@pytest.mark.parametrize(("change", "difference"), MESSAGES.items())
def test_the_warning_names_the_difference_and_the_remedy(change, difference):
    with pytest.warns(UserWarning, match="no longer the one") as caught:
        trained(CHANGES[change], [], [GradientMonitor(None)])

    assert str(caught[0].message) == (
        f"The train step of the model 'model' is no longer the one that was traced: {difference}. "
        "In Keras such a change takes effect at the next `compile`. Nothing is recorded until "
        "then, because a recorded step would train differently: compile the model again."
    )


@pytest.mark.parametrize(
    ("change", "way"),
    [*((change, "graph") for change in NO_CHANGES), ("nothing", "several steps")],
)
def test_an_unchanged_step_is_recorded(change, way):
    monitor = GradientMonitor(None, "batch")
    trained(NO_CHANGES[change], [], [monitor], **WAYS[way])

    assert [record.step for record in monitor.records] == list(range(4, 12))


def test_a_recompiled_model_is_recorded_with_the_change():
    def change(model):
        hidden(model).trainable = False
        compiled(model, model.optimizer)

    monitor = GradientMonitor(None, "batch")
    trained(change, [], [monitor])

    assert set(monitor.records[0].gradients) == {"model/out/kernel", "model/out/bias"}


def test_a_model_unfrozen_without_compiling_trains_as_before():
    # The optimizer does not know the variables, so a step traced now would raise an error.
    def model_and_weights(monitors):
        model = small_model()
        hidden(model).trainable = False
        compiled(model)
        fit(model, *regression_data(2))
        hidden(model).trainable = True
        fit(model, *regression_data(2), monitors)
        return weights_of(model)

    with pytest.warns(UserWarning, match="tracing it again fails: Unknown variable"):
        weights = model_and_weights([GradientMonitor(None)])

    assert weights == model_and_weights([])


@pytest.mark.grappler
@pytest.mark.parametrize("name", KEPT)
def test_a_monitor_keeps_recording_the_step_it_has_traced(name):
    monitor, change = GradientMonitor(None, 3), CHANGES[name]
    weights = trained(change, [monitor], [monitor])

    assert weights == trained(change, [], [])
    assert [record.step for record in monitor.records] == [0, 3, 6, 9]


class Changing(keras.callbacks.Callback):
    """Changes the model after the first step, once it has been traced."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self.change(self.model)


@pytest.mark.grappler
@pytest.mark.parametrize("name", KEPT)
def test_a_change_after_the_first_step_does_not_affect_later_steps(name):
    def weights_with(monitors):
        model = compiled(small_model(), keras.optimizers.SGD(0.1))
        fit(model, *regression_data(5), [*monitors, Changing(CHANGES[name])])
        return weights_of(model)

    monitor = GradientMonitor(None, 2)

    assert weights_with([monitor]) == weights_with([])
    assert [record.step for record in monitor.records] == [0, 2, 4]


@pytest.mark.grappler
def test_eager_training_follows_a_change_with_and_without_a_monitor():
    monitor = GradientMonitor(None, "batch")
    change = CHANGES["Dropout.rate"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weights = trained(change, [], [monitor], run_eagerly=True)

    assert weights == trained(change, [], [], run_eagerly=True)
    assert len(monitor.records) == 8

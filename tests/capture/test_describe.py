"""How the log describes a model and its training settings."""

import dataclasses

import keras
import pytest
from keras import layers
from small_models import Calls, compiled, mlp, reset_keras

from vg_keras.capture.describe import describe, settings_of
from vg_keras.capture.model_map import ModelMap
from vg_keras.record import LayerDescription, OptimizerDescription, VariableDescription


@pytest.fixture(autouse=True)
def fresh_names():
    reset_keras()


def described(model, variables=None, **how):
    variables = ModelMap(model).variables if variables is None else variables
    return describe(model, variables, ModelMap(model).paths, **how)


def without_initializers(layer):
    return dataclasses.replace(layer, kernel_initializer=None, bias_initializer=None)


def test_a_model_is_described_by_its_layers():
    model = keras.Sequential(
        [
            keras.Input([3]),
            layers.Dense(4, activation="tanh"),
            layers.Dropout(0.5),
            layers.LayerNormalization(),
        ]
    )
    description = described(model)

    assert description.name == "sequential"
    assert tuple(map(without_initializers, description.layers)) == (
        LayerDescription(
            "sequential/dense",
            "Dense",
            "tanh",
            (
                VariableDescription("sequential/dense/kernel", (3, 4), "float32"),
                VariableDescription("sequential/dense/bias", (4,), "float32"),
            ),
        ),
        LayerDescription(
            "sequential/layer_normalization",
            "LayerNormalization",
            None,
            (
                VariableDescription("sequential/layer_normalization/gamma", (4,), "float32"),
                VariableDescription("sequential/layer_normalization/beta", (4,), "float32"),
            ),
        ),
    )


def test_a_layer_is_described_by_its_initializers():
    kernel = keras.initializers.RandomNormal(stddev=0.5)
    model = keras.Sequential([keras.Input([3]), layers.Dense(4, kernel_initializer=kernel)])
    (layer,) = described(model).layers

    assert layer.kernel_initializer["class_name"] == "RandomNormal"
    assert layer.kernel_initializer["config"]["stddev"] == 0.5
    assert layer.bias_initializer["class_name"] == "Zeros"


def test_an_initializer_that_is_a_function_has_no_settings():
    layer = layers.Dense(4, kernel_initializer=lambda shape, dtype: keras.ops.ones(shape, dtype))
    model = keras.Sequential([keras.Input([3]), layer])

    assert described(model).layers[0].kernel_initializer is None


def test_only_monitored_variables_are_described():
    model = mlp(depth=1)
    chosen = {"sequential/dense_1/bias": model.layers[1].bias}

    assert described(model, chosen).variables == ("sequential/dense_1/bias",)


def test_a_shared_layer_is_described_once():
    shared = layers.Dense(3, name="shared")
    inputs = keras.Input([3])
    model = keras.Model(inputs, shared(shared(inputs)))

    assert described(model).variables == ("shared/kernel", "shared/bias")


def test_variables_of_layers_hidden_from_the_model_are_listed_last():
    class Hides(keras.Model):
        def __init__(self):
            super().__init__(name="hides")
            self.shown, self.hidden = layers.Dense(2, name="shown"), layers.Dense(2, name="hidden")
            self.hidden.build([None, 2])
            self.shown.build([None, 2])

        @property
        def layers(self):
            return [self.shown]

    model = Hides()
    description = described(model)

    assert [(layer.type, len(layer.variables)) for layer in description.layers] == [
        ("Dense", 2),
        ("Hides", 2),
    ]
    assert description.variables == tuple(ModelMap(model).variables)


def test_a_weight_of_the_model_itself_is_described_as_its_own():
    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.scale = self.add_weight(shape=[3], name="scale")

    model = Own()
    description = described(model)

    (layer,) = description.layers
    assert (layer.type, [v.shape for v in layer.variables]) == ("Own", [(3,)])


def test_a_monitored_layer_is_described_with_its_output_shape():
    model = keras.Sequential(
        [keras.Input([3]), layers.Dense(4), layers.ReLU(), layers.Dropout(0.1)]
    )
    shapes = {"sequential/dense": (None, 4), "sequential/re_lu": (8, 4)}
    description = described(model, shapes=shapes)

    assert [(layer.path, layer.activation, layer.output_shape) for layer in description.layers] == [
        ("sequential/dense", "linear", (None, 4)),
        ("sequential/re_lu", "relu", (8, 4)),
    ]
    assert description.outputs == ("sequential/dense", "sequential/re_lu")


def calling_order(order, called=None):
    """Returns the layers as described when they are called in this order."""
    model = Calls([layers.Dense(2, name=name) for name in "abc"], order)
    model(keras.ops.zeros([1, 2]))
    called = order if called is None else called
    description = described(model, called=[id(model.parts[number]) for number in called])
    return "".join(layer.path.rpartition("/")[2] for layer in description.layers)


@pytest.mark.parametrize(
    ("order", "expected"), [([0, 1, 2], "abc"), ([2, 0, 1], "cab"), ([1, 2, 0], "bca")]
)
def test_layers_are_described_in_the_order_of_their_calls(order, expected):
    assert calling_order(order) == expected


@pytest.mark.parametrize(
    ("called", "expected"), [([], "abc"), ([2], "abc"), ([2, 0], "cab"), ([1, 0], "bca")]
)
def test_an_uncalled_layer_stays_behind_its_predecessor(called, expected):
    assert calling_order([0, 1, 2], called) == expected


def settings(model, optimizers=None, loss=None):
    if loss is not None:
        model.compile("sgd", loss)
    return settings_of(model, optimizers or [model.optimizer], "auto", ("gradients",))


def test_settings_contain_the_optimizer_with_its_whole_configuration():
    found = settings(compiled(mlp(), keras.optimizers.Adam(0.25, beta_1=0.5)))
    (optimizer,) = found.optimizers

    assert (optimizer.type, optimizer.learning_rate) == ("Adam", 0.25)
    assert optimizer.config["beta_1"] == 0.5
    assert (found.update_freq, found.quantities) == ("auto", ("gradients",))
    assert set(found.versions) == {"keras", "tensorflow"}


def test_the_learning_rate_of_a_schedule_is_its_value_at_the_first_step():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9)
    (optimizer,) = settings(compiled(mlp(), keras.optimizers.SGD(schedule))).optimizers

    assert optimizer.learning_rate == 0.5
    assert optimizer.config["learning_rate"]["class_name"] == "ExponentialDecay"


def test_an_optimizer_without_a_configuration_is_named():
    class Odd:
        def get_config(self):
            raise NotImplementedError

    assert settings(mlp(), [Odd()]).optimizers == (OptimizerDescription("Odd", None, {}),)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", "mse"),
        (keras.losses.Huber(), "huber_loss"),
        (keras.losses.mean_absolute_error, "mean_absolute_error"),
        (["mse"], "mse"),
        ({"dense": "mse"}, "dense: mse"),
        (lambda y, y_pred: 0.0, "<lambda>"),
    ],
)
def test_settings_name_the_loss(loss, expected):
    assert settings(mlp(), loss=loss).loss == expected


def test_a_model_that_is_not_compiled_has_no_loss():
    assert settings(mlp(), [keras.optimizers.SGD()]).loss is None

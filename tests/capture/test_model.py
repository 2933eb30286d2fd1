"""Layers and variables of a model: how they are called and described."""

import keras
import pytest
from keras import layers
from small_models import begin_afresh, mlp

from vg_keras.capture.model import (
    describe,
    is_built,
    named_layers,
    named_variables,
)
from vg_keras.record import LayerDescription, VariableDescription


@pytest.fixture(autouse=True)
def fresh_names():
    begin_afresh()


class Calls(keras.Model):
    """Calls layers one after another, in the order of their numbers."""

    def __init__(self, parts, order=None, name="calls"):
        super().__init__(name=name)
        self.parts = parts
        self.order = order or range(len(parts))

    def call(self, x):
        for number in self.order:
            x = self.parts[number](x)
        return x


def test_a_model_is_built_when_all_its_layers_are():
    assert is_built(mlp())
    assert not is_built(keras.Sequential([layers.Dense(2)]))


def test_a_model_without_any_layer_is_not_said_to_be_built():
    class Own(keras.Model):
        pass

    assert not is_built(Own())


def test_a_subclassed_model_is_built_by_its_first_call():
    model = Calls([layers.Dense(2)])
    before = is_built(model)
    model(keras.ops.zeros([1, 3]))

    assert not before
    assert is_built(model)


def test_variables_are_named_by_their_path():
    model = mlp(depth=1)

    assert {path: v.path for path, v in named_variables(model).items()} == {
        "sequential/dense/kernel": "sequential/dense/kernel",
        "sequential/dense/bias": "sequential/dense/bias",
        "sequential/dense_1/kernel": "sequential/dense_1/kernel",
        "sequential/dense_1/bias": "sequential/dense_1/bias",
    }


def test_variables_of_one_path_get_suffixes_in_their_order():
    model = Calls([layers.Dense(units, name="same", use_bias=False) for units in (2, 3, 4)])
    model(keras.ops.zeros([1, 1]))

    assert {path: v.shape for path, v in named_variables(model).items()} == {
        "calls/same/kernel": (1, 2),
        "calls/same/kernel_1": (2, 3),
        "calls/same/kernel_2": (3, 4),
    }


def test_variables_that_are_not_trained_are_not_named():
    model = keras.Sequential([keras.Input([3]), layers.BatchNormalization(), layers.Dense(2)])
    model.layers[1].trainable = False

    assert list(named_variables(model)) == [
        "sequential/batch_normalization/gamma",
        "sequential/batch_normalization/beta",
    ]


def test_layers_are_named_by_their_path():
    model = mlp(depth=1)

    assert list(named_layers(model).values()) == [
        "sequential",
        "sequential/dense",
        "sequential/dense_1",
    ]


def test_layers_of_a_functional_model_are_named_without_it():
    inputs = keras.Input([3], name="inputs")
    model = keras.Model(inputs, layers.Dense(2, name="dense")(inputs), name="model")

    assert list(named_layers(model).values()) == ["model", "inputs", "dense"]


def test_layers_of_one_path_get_suffixes_in_their_order():
    same = [layers.Dense(units, name="same") for units in (2, 3)]
    model = Calls(same)
    model(keras.ops.zeros([1, 1]))

    assert {layer.units: path for layer, path in named_layers(model).items() if layer in same} == {
        2: "calls/same",
        3: "calls/same_1",
    }


def test_layers_that_are_not_built_are_named_as_they_are_going_to_be():
    def make():
        begin_afresh()
        return Calls([layers.Dense(2), Calls([layers.Dense(3)], name="inner")])

    built, unbuilt = make(), make()
    built(keras.ops.zeros([1, 1]))

    assert list(named_layers(unbuilt).values()) == list(named_layers(built).values())


def described(model, variables=None, **how):
    variables = named_variables(model) if variables is None else variables
    return describe(model, variables, named_layers(model), **how)


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
    assert description.layers == (
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


def test_only_monitored_variables_are_described():
    model = mlp(depth=1)
    chosen = {"sequential/dense_1/bias": model.layers[1].bias}

    assert described(model, chosen).variables == ("sequential/dense_1/bias",)


def test_a_shared_layer_is_described_once():
    shared = layers.Dense(3, name="shared")
    inputs = keras.Input([3])
    model = keras.Model(inputs, shared(shared(inputs)))

    assert described(model).variables == ("shared/kernel", "shared/bias")


def test_variables_of_layers_that_the_model_does_not_show_come_last():
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
    assert description.variables == tuple(named_variables(model))


def test_a_weight_of_the_model_itself_is_described_as_its_own():
    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.scale = self.add_weight(shape=[3], name="scale")

    model = Own()
    description = described(model)

    (layer,) = description.layers
    assert (layer.type, [v.shape for v in layer.variables]) == ("Own", [(3,)])


def test_a_layer_whose_output_is_monitored_is_described_with_its_shape():
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
    """The layers as described where they are called in this order."""
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
def test_a_layer_that_was_not_called_keeps_its_place_behind_the_one_before_it(called, expected):
    assert calling_order([0, 1, 2], called) == expected

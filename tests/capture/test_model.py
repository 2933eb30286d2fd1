"""Layers and variables of every kind of model: in which order they come and how they are called."""

import keras
import pytest
from keras import layers
from small_models import begin_afresh, mlp

from vg_keras.capture.model import describe, is_built, layers_of, named_variables, select
from vg_keras.record import LayerDescription, VariableDescription


@pytest.fixture(autouse=True)
def fresh_names():
    begin_afresh()


def names(model):
    return [layer.name for layer in layers_of(model)]


def test_the_layers_of_a_functional_model_come_in_the_order_of_its_forward_pass():
    last, first = layers.Dense(2, name="last"), layers.Dense(2, name="first")
    inputs = keras.Input([3], name="inputs")
    model = keras.Model(inputs, last(first(inputs)), name="model")

    assert names(model) == ["model", "inputs", "first", "last"]


def test_the_layers_of_a_nested_model_come_where_it_is_called():
    inner = keras.Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="b")], name="inner")
    model = keras.Sequential([layers.Dense(2, name="before"), inner, layers.Dense(2, name="after")])

    assert names(model)[1:] == ["before", "inner", "a", "b", "after"]


def test_the_layers_within_a_layer_come_after_it():
    model = keras.Sequential([layers.Bidirectional(layers.LSTM(2, name="lstm"), name="both")])

    assert names(model)[1] == "both"
    assert {"forward_lstm", "backward_lstm"} <= set(names(model)[2:])


def test_a_layer_that_is_called_twice_comes_once():
    shared = layers.Dense(3, name="shared")
    inputs = keras.Input([3], name="inputs")
    model = keras.Model(inputs, shared(shared(inputs)), name="model")

    assert names(model) == ["model", "inputs", "shared"]


def test_a_model_is_built_when_all_its_layers_are():
    assert is_built(mlp())
    assert not is_built(keras.Sequential([layers.Dense(2)]))


def test_a_model_without_any_layer_is_not_said_to_be_built():
    class Own(keras.Model):
        pass

    assert not is_built(Own())


def test_a_subclassed_model_is_built_by_its_first_call():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    model = Model()
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
    parts = [layers.Dense(units, name="same", use_bias=False) for units in (2, 3, 4)]

    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="model")
            self.parts = parts

        def call(self, x):
            for part in self.parts:
                x = part(x)
            return x

    model = Model()
    model(keras.ops.zeros([1, 1]))

    assert {path: v.shape for path, v in named_variables(model).items()} == {
        "model/same/kernel": (1, 2),
        "model/same/kernel_1": (2, 3),
        "model/same/kernel_2": (3, 4),
    }


def test_variables_that_are_not_trained_are_not_named():
    model = keras.Sequential([keras.Input([3]), layers.BatchNormalization(), layers.Dense(2)])
    model.layers[1].trainable = False

    assert list(named_variables(model)) == [
        "sequential/batch_normalization/gamma",
        "sequential/batch_normalization/beta",
    ]


VARIABLES = dict.fromkeys(["a/kernel", "a/bias", "b/kernel", "b[0]/x"])


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, ["a/kernel", "a/bias", "b/kernel", "b[0]/x"]),
        ("a/*", ["a/kernel", "a/bias"]),
        ("*kernel", ["a/kernel", "b/kernel"]),
        ("a/kernel", ["a/kernel"]),
        ("?/bias", ["a/bias"]),
        (["b/*", "a/bias"], ["a/bias", "b/kernel"]),
        ("b[[]0]/x", ["b[0]/x"]),
    ],
)
def test_patterns_choose_variables_in_the_order_of_the_model(chosen, expected):
    assert list(select(VARIABLES, chosen)) == expected


@pytest.mark.parametrize("chosen", ["kernel", "A/*", [], ["x", "y"]])
def test_a_pattern_that_matches_none_is_an_error(chosen):
    with pytest.raises(ValueError, match="`variables`") as caught:
        select(VARIABLES, chosen)

    assert str(caught.value) == (
        "`variables` must let through at least one trainable variable of the model. "
        f"Received: variables={chosen!r}, which matches none of "
        "a/kernel, a/bias, b/kernel, b[0]/x."
    )


def test_a_function_chooses_variables():
    model = mlp(depth=1)

    assert list(select(named_variables(model), lambda v: v.shape == (2,))) == [
        "sequential/dense_1/bias"
    ]


def test_a_model_is_described_by_its_layers():
    model = keras.Sequential(
        [
            keras.Input([3]),
            layers.Dense(4, activation="tanh"),
            layers.Dropout(0.5),
            layers.LayerNormalization(),
        ]
    )
    description = describe(model, named_variables(model))

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
    chosen = select(named_variables(model), "*/dense_1/bias")

    assert describe(model, chosen).variables == ("sequential/dense_1/bias",)


def test_a_shared_layer_is_described_once():
    shared = layers.Dense(3, name="shared")
    inputs = keras.Input([3])
    model = keras.Model(inputs, shared(shared(inputs)))

    assert describe(model, named_variables(model)).variables == ("shared/kernel", "shared/bias")


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
    description = describe(model, named_variables(model))

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
    description = describe(model, named_variables(model))

    (layer,) = description.layers
    assert (layer.type, [v.shape for v in layer.variables]) == ("Own", [(3,)])

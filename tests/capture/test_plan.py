"""What is measured of a model: which variables and layers, in which rows."""

import keras
import pytest
from keras import layers
from small_models import reset_keras

from vg_keras.activations import ACTIVATIONS
from vg_keras.capture.plan import (
    ACTIVATION,
    ACTIVATION_GRADIENT,
    DATA_LOSS_GRADIENT,
    GRADIENT,
    REGULARIZATION_GRADIENT,
    WEIGHT,
    Choice,
    Plan,
)

PATHS = ["model/a/kernel", "model/a/bias", "model/b/kernel"]


@pytest.fixture
def model():
    reset_keras()
    return keras.Sequential(
        [
            keras.Input([3]),
            layers.Dense(4, "relu", name="a", bias_regularizer="l2"),
            layers.Dropout(0.5),
            layers.Dense(2, "tanh", name="b", use_bias=False),
            layers.ReLU(name="c"),
        ],
        name="model",
    )


def rows_of(plan, kind):
    return [path for of_kind, path in plan.row_of if of_kind == kind]


def test_everything_but_weights_is_recorded_by_default(model):
    plan = Plan(model, Choice())

    assert {key: rows_of(plan, key) for key, _ in plan.row_of} == {
        GRADIENT: PATHS,
        ACTIVATION: ["model/a", "model/b", "model/c"],
        ACTIVATION_GRADIENT: ["model/a", "model/b", "model/c"],
        DATA_LOSS_GRADIENT: ["model/a/bias"],
        REGULARIZATION_GRADIENT: ["model/a/bias"],
    }


def test_weights_have_rows_on_request(model):
    assert rows_of(Plan(model, Choice(weights=True)), WEIGHT) == PATHS


def test_every_row_has_a_unique_number(model):
    plan = Plan(model, Choice(weights=True))

    assert list(plan.row_of.values()) == list(range(3 + 3 + 3 + 1 + 1 + 3))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("*/kernel", [PATHS[0], PATHS[2]]),
        (["*b*"], PATHS[1:]),
        (lambda v: v.name == "bias", PATHS[1:2]),
    ],
)
def test_variables_are_chosen_in_model_order(model, variables, expected):
    plan = Plan(model, Choice(variables=variables, weights=True))

    assert list(plan.variables) == expected
    assert rows_of(plan, GRADIENT) == rows_of(plan, WEIGHT) == expected
    assert rows_of(plan, DATA_LOSS_GRADIENT) == [path for path in expected if path.endswith("bias")]


@pytest.mark.parametrize(
    ("activations", "expected"),
    [
        (True, ["model/a", "model/b", "model/c"]),
        (None, ["model/a", "model/b", "model/c"]),
        (False, []),
        ("*/[bc]", ["model/b", "model/c"]),
        (lambda layer: isinstance(layer, layers.ReLU), ["model/c"]),
    ],
)
def test_layers_are_chosen_in_model_order(model, activations, expected):
    plan = Plan(model, Choice(activations=activations))

    assert list(plan.layers) == expected
    assert rows_of(plan, ACTIVATION) == rows_of(plan, ACTIVATION_GRADIENT) == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (
            Choice(variables="x"),
            (
                "`variables` must match at least one trainable variable of the model. "
                f"Received: variables='x', which matches none of {', '.join(PATHS)}."
            ),
        ),
        (
            Choice(activations="*dropout"),
            (
                "`activations` must match at least one layer of the model. Received: "
                "activations='*dropout', which matches none of model/a, model/b, model/c."
            ),
        ),
    ],
)
def test_a_filter_that_matches_nothing_raises(model, choice, expected):
    with pytest.raises(ValueError, match="must match") as caught:
        Plan(model, choice)

    assert str(caught.value) == expected


def test_a_model_with_nothing_to_choose_from_does_not_raise():
    inputs = keras.Input([3])
    plan = Plan(keras.Model(inputs, layers.Flatten()(inputs)), Choice("x", "y"))

    assert plan.row_of == {}


def test_a_variable_is_also_found_by_its_underlying_tensorflow_variable(model):
    plan = Plan(model, Choice(variables="*/a/*"))
    first, bias = model.layers[0].kernel, model.layers[0].bias

    assert plan.path_of == {
        id(first): PATHS[0],
        id(first.value): PATHS[0],
        id(bias): PATHS[1],
        id(bias.value): PATHS[1],
    }


def test_sizes_count_elements(model):
    assert list(Plan(model, Choice()).sizes.values()) == [12, 4, 8]


def ids_of(variables):
    return {f(v) for v in variables for f in (id, lambda v: id(v.value))}


def test_a_layer_trains_with_its_variables_even_if_they_are_not_chosen(model):
    plan = Plan(model, Choice(variables="*/a/kernel"))

    assert {path: layer.trained_with for path, layer in plan.layers.items()} == {
        "model/a": ids_of(model.layers[0].trainable_variables),
        "model/b": ids_of([model.layers[2].kernel]),
        "model/c": ids_of(model.trainable_variables),
    }


def test_the_plan_knows_the_meaning_of_layer_outputs(model):
    plan = Plan(model, Choice())

    assert [(at.is_rectifier, at.bounds, at.unit_axis) for at in plan.layers.values()] == [
        (True, None, -1),
        (False, ACTIVATIONS["tanh"].saturation, -1),
        (True, None, -1),
    ]


def test_rectifying_layers_are_numbered(model):
    assert Plan(model, Choice()).mask_of == {"model/a": 0, "model/c": 1}
    assert Plan(model, Choice(activations="*/[bc]")).mask_of == {"model/c": 0}


def test_layers_with_equal_paths_are_distinguished():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__(name="twice")
            self.parts = [layers.Dense(2, "relu", name="same") for _ in range(2)]

        def call(self, x):
            return self.parts[1](self.parts[0](x))

    model = Twice()
    model(keras.ops.zeros([1, 2]))
    plan = Plan(model, Choice())

    assert {path: at.layer for path, at in plan.layers.items()} == {
        "twice/same": model.parts[0],
        "twice/same_1": model.parts[1],
    }
    assert list(plan.mask_of) == ["twice/same", "twice/same_1"]

"""Which layers a model has, in which order, whose output matters, and what it means."""

import keras
import pytest
from keras import layers
from small_models import begin_afresh

from vg_keras.capture.layers import (
    activation_of,
    inner_layers,
    is_observed,
    is_rectifier,
    layers_of,
    observed_layers,
    own_variables,
    regularized_variables,
    saturation_bounds,
    unit_axis,
)
from vg_keras.statistics.saturation import BOUNDS


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


def test_each_layer_comes_with_the_one_around_it():
    inner = keras.Sequential([layers.Dense(2, name="a")], name="inner")
    model = keras.Sequential([inner, layers.Dense(2, name="b")], name="model")
    around = {layer.name: outer and outer.name for layer, outer in layers_of(model).items()}

    assert around == {"model": None, "inner": "model", "a": "inner", "b": "model"}


def test_a_recurrent_layer_shows_nothing_inside_of_it():
    assert inner_layers(layers.LSTM(2)) == []
    assert len(inner_layers(layers.Bidirectional(layers.LSTM(2)))) == 2


def built(layer, shape=(None, 4, 4, 3)):
    layer.build(shape)
    return layer


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: built(layers.Dense(2)), True),
        (lambda: built(layers.Dense(2, trainable=False)), True),
        (lambda: built(layers.Conv2D(2, 1)), True),
        (lambda: built(layers.BatchNormalization(center=False, scale=False)), True),
        (lambda: built(layers.Normalization(mean=0.0, variance=1.0)), False),
        (lambda: built(layers.Embedding(5, 2)), True),
        (lambda: layers.LSTM(2), True),
        (lambda: layers.Activation("tanh"), True),
        (lambda: layers.ReLU(), True),
        (lambda: layers.LeakyReLU(), True),
        (lambda: layers.PReLU(), True),
        (lambda: layers.ELU(), True),
        (lambda: layers.Softmax(), True),
        (lambda: layers.Dropout(0.5), False),
        (lambda: layers.Flatten(), False),
        (lambda: layers.MaxPooling2D(), False),
        (lambda: layers.Rescaling(2.0), False),
        (lambda: layers.InputLayer([3]), False),
        (lambda: layers.Add(), False),
        (lambda: keras.Sequential([keras.Input([3]), layers.Dense(2)]), False),
    ],
)
def test_the_output_of_a_layer_matters_if_it_has_weights_or_is_an_activation(make, expected):
    assert is_observed(make()) is expected


def test_a_frozen_layer_keeps_its_own_variables():
    dense = built(layers.Dense(2))
    dense.trainable = False

    assert own_variables(dense) == [dense.kernel, dense.bias]
    assert own_variables(keras.Sequential([keras.Input([3]), dense])) == []


def test_a_layer_trains_along_with_its_own_variables():
    model = keras.Sequential([keras.Input([3]), layers.Dense(2), layers.Dense(1)])
    first, second = model.layers

    assert observed_layers(model) == {
        first: [first.kernel, first.bias],
        second: [second.kernel, second.bias],
    }


def test_a_layer_without_variables_trains_along_with_what_is_around_it():
    inner = keras.Sequential([keras.Input([3]), layers.Dense(2), layers.ReLU()])
    model = keras.Sequential([keras.Input([3]), inner, layers.Dense(1), layers.Softmax()])
    observed = observed_layers(model)

    assert observed[inner.layers[1]] == inner.trainable_variables
    assert observed[model.layers[2]] == model.trainable_variables


def test_a_frozen_layer_trains_along_with_what_is_around_it():
    model = keras.Sequential([keras.Input([3]), layers.Dense(2), layers.Dense(1)])
    first, second = model.layers
    first.trainable = False

    assert observed_layers(model)[first] == [second.kernel, second.bias]


def test_a_layer_that_is_called_twice_is_observed_once():
    shared, activation = layers.Dense(3), layers.ReLU()
    inputs = keras.Input([3])
    model = keras.Model(inputs, activation(shared(activation(shared(inputs)))))

    assert list(observed_layers(model)) == [shared, activation]


def test_the_activation_inside_of_a_layer_is_observed():
    relu = layers.ReLU()
    dense = layers.Dense(2, activation=relu)
    model = keras.Sequential([keras.Input([3]), dense])

    assert observed_layers(model) == {dense: dense.variables, relu: dense.variables}


def test_the_cell_of_a_recurrent_layer_is_not_observed():
    model = keras.Sequential([keras.Input([5, 3]), layers.GRU(2)])

    assert list(observed_layers(model)) == model.layers


def test_regularized_variables_are_those_of_the_layer_itself():
    dense = built(layers.Dense(2, kernel_regularizer="l2"))
    model = keras.Sequential([keras.Input([3]), dense, layers.Dense(1)])

    assert regularized_variables(dense) == [dense.kernel]
    assert regularized_variables(model) == []


def test_regularized_variables_of_a_recurrent_layer_are_those_of_its_cell():
    lstm = built(layers.LSTM(2, recurrent_regularizer="l2"), (None, 5, 3))

    assert regularized_variables(lstm) == [lstm.cell.recurrent_kernel]


class Own(keras.layers.Layer):
    """A layer of somebody else's, whose output may be anything."""

    def __init__(self):
        super().__init__()
        self.activation = keras.activations.relu


# Layer, name of its activation, whether it can die, whose bounds it has.
ACTIVATIONS = {
    "dense": (lambda: layers.Dense(2), "linear", False, None),
    "dense relu": (lambda: layers.Dense(2, activation="relu"), "relu", True, None),
    "conv tanh": (lambda: layers.Conv2D(2, 1, activation="tanh"), "tanh", False, "tanh"),
    "activation": (lambda: layers.Activation("sigmoid"), "sigmoid", False, "sigmoid"),
    "relu": (lambda: layers.ReLU(), "relu", True, None),
    "relu of at most 6": (lambda: layers.ReLU(max_value=6), "relu6", True, "relu6"),
    "relu of at most 1": (lambda: layers.ReLU(max_value=1), "relu", True, None),
    "relu with a slope": (lambda: layers.ReLU(negative_slope=0.1), "leaky_relu", False, None),
    "leaky relu": (lambda: layers.LeakyReLU(), "leaky_relu", False, None),
    "prelu": (lambda: layers.PReLU(), "prelu", False, None),
    "elu": (lambda: layers.ELU(), "elu", False, "elu"),
    "elu of another level": (lambda: layers.ELU(alpha=2.0), "elu", False, None),
    "dense elu": (lambda: layers.Dense(2, activation="elu"), "elu", False, "elu"),
    "softmax": (lambda: layers.Softmax(), "softmax", False, None),
    "simple rnn": (lambda: layers.SimpleRNN(2), "tanh", False, "tanh"),
    "lstm": (lambda: layers.LSTM(2), "tanh", False, None),
    "gru relu": (lambda: layers.GRU(2, activation="relu"), "relu", False, None),
    "dropout": (lambda: layers.Dropout(0.5), None, False, None),
    "no activation": (lambda: layers.BatchNormalization(), None, False, None),
    "a function": (lambda: layers.Dense(2, activation=lambda x: x), "<lambda>", False, None),
    "a layer": (lambda: layers.Dense(2, activation=layers.ReLU()), None, False, None),
    "somebody else's": (Own, "relu", False, None),
}


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_the_activation_of_a_layer_is_known_by_name(case):
    make, name, _, _ = ACTIVATIONS[case]

    assert activation_of(make()) == name


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_a_unit_can_die_where_the_layer_ends_in_a_rectifier(case):
    make, _, can_die, _ = ACTIVATIONS[case]

    assert is_rectifier(make()) is can_die


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_a_layer_has_the_bounds_of_the_activation_that_it_ends_in(case):
    make, _, _, bounds = ACTIVATIONS[case]

    assert saturation_bounds(make()) == (bounds and BOUNDS[bounds])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: layers.Dense(2), -1),
        (lambda: layers.Conv2D(2, 1), -1),
        (lambda: layers.Conv2D(2, 1, data_format="channels_first"), 1),
    ],
)
def test_units_lie_along_the_last_axis_unless_channels_come_first(make, expected):
    assert unit_axis(make()) == expected

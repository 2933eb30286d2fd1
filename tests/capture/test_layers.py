"""What is known about a single layer: its inner layers and the meaning of its output."""

import keras
import pytest
from keras import layers
from small_models import reset_keras

from vg_keras import activations
from vg_keras.capture.layers import (
    activation_of,
    inner_layers,
    is_observed,
    is_rectifier,
    own_variables,
    regularized_variables,
    saturation_bounds,
    unit_axis,
)


@pytest.fixture(autouse=True)
def fresh_names():
    reset_keras()


def test_a_recurrent_layer_hides_its_inner_layers():
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
def test_a_layers_output_is_monitored_if_it_has_weights_or_is_an_activation(make, expected):
    assert is_observed(make()) is expected


def test_a_frozen_layer_keeps_its_own_variables():
    dense = built(layers.Dense(2))
    dense.trainable = False

    assert own_variables(dense) == [dense.kernel, dense.bias]
    assert own_variables(keras.Sequential([keras.Input([3]), dense])) == []


def test_regularized_variables_are_the_layers_own():
    dense = built(layers.Dense(2, kernel_regularizer="l2"))
    model = keras.Sequential([keras.Input([3]), dense, layers.Dense(1)])

    assert regularized_variables(dense) == [dense.kernel]
    assert regularized_variables(model) == []


def test_regularized_variables_of_a_recurrent_layer_are_its_cells():
    lstm = built(layers.LSTM(2, recurrent_regularizer="l2"), (None, 5, 3))

    assert regularized_variables(lstm) == [lstm.cell.recurrent_kernel]


class Own(keras.layers.Layer):
    """A custom layer, whose output may be anything."""

    def __init__(self):
        super().__init__()
        self.activation = keras.activations.relu


# Layer, name of its activation, whether its units can die, the activation whose bounds it has.
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
def test_units_can_die_if_the_layer_ends_in_a_rectifier(case):
    make, _, can_die, _ = ACTIVATIONS[case]

    assert is_rectifier(make()) is can_die


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_a_layer_has_the_bounds_of_its_final_activation(case):
    make, _, _, bounds = ACTIVATIONS[case]

    assert saturation_bounds(make()) == (bounds and activations.ACTIVATIONS[bounds].saturation)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: layers.Dense(2), -1),
        (lambda: layers.Conv2D(2, 1), -1),
        (lambda: layers.Conv2D(2, 1, data_format="channels_first"), 1),
    ],
)
def test_the_unit_axis_is_the_last_one_unless_channels_are_first(make, expected):
    assert unit_axis(make()) == expected

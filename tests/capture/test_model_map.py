"""The model map: layers and variables in order, with their paths, found in one traversal."""

import keras
import pytest
from keras import layers
from small_models import Calls, mlp, reset_keras

from vg_keras.capture.model_map import ModelMap, is_built


@pytest.fixture(autouse=True)
def fresh_names():
    reset_keras()


def test_a_model_is_built_once_all_its_layers_are_built():
    assert is_built(mlp())
    assert not is_built(keras.Sequential([layers.Dense(2)]))


def test_a_model_without_layers_does_not_count_as_built():
    class Own(keras.Model):
        pass

    assert not is_built(Own())


def test_a_subclassed_model_is_built_by_its_first_call():
    model = Calls([layers.Dense(2)])
    before = is_built(model)
    model(keras.ops.zeros([1, 3]))

    assert not before
    assert is_built(model)


def test_variables_are_named_by_their_paths():
    model = mlp(depth=1)

    assert {path: v.path for path, v in ModelMap(model).variables.items()} == {
        "sequential/dense/kernel": "sequential/dense/kernel",
        "sequential/dense/bias": "sequential/dense/bias",
        "sequential/dense_1/kernel": "sequential/dense_1/kernel",
        "sequential/dense_1/bias": "sequential/dense_1/bias",
    }


def test_variables_with_equal_paths_get_suffixes_in_order():
    model = Calls([layers.Dense(units, name="same", use_bias=False) for units in (2, 3, 4)])
    model(keras.ops.zeros([1, 1]))

    assert {path: v.shape for path, v in ModelMap(model).variables.items()} == {
        "calls/same/kernel": (1, 2),
        "calls/same/kernel_1": (2, 3),
        "calls/same/kernel_2": (3, 4),
    }


def test_non_trainable_variables_are_not_named():
    model = keras.Sequential([keras.Input([3]), layers.BatchNormalization(), layers.Dense(2)])
    model.layers[1].trainable = False

    assert list(ModelMap(model).variables) == [
        "sequential/batch_normalization/gamma",
        "sequential/batch_normalization/beta",
    ]


def test_layers_are_named_by_their_paths():
    model = mlp(depth=1)

    assert list(ModelMap(model).paths.values()) == [
        "sequential",
        "sequential/dense",
        "sequential/dense_1",
    ]


def test_layers_of_a_functional_model_are_named_without_its_name():
    inputs = keras.Input([3], name="inputs")
    model = keras.Model(inputs, layers.Dense(2, name="dense")(inputs), name="model")

    assert list(ModelMap(model).paths.values()) == ["model", "inputs", "dense"]


def test_layers_with_equal_paths_get_suffixes_in_order():
    same = [layers.Dense(units, name="same") for units in (2, 3)]
    model = Calls(same)
    model(keras.ops.zeros([1, 1]))

    assert {
        layer.units: path for layer, path in ModelMap(model).paths.items() if layer in same
    } == {
        2: "calls/same",
        3: "calls/same_1",
    }


def test_unbuilt_layers_are_named_as_they_will_be_once_built():
    def make():
        reset_keras()
        return Calls([layers.Dense(2), Calls([layers.Dense(3)], name="inner")])

    built, unbuilt = make(), make()
    built(keras.ops.zeros([1, 1]))

    assert list(ModelMap(unbuilt).paths.values()) == list(ModelMap(built).paths.values())


def names(model):
    return [layer.name for layer in ModelMap(model).places]


def test_layers_of_a_functional_model_are_in_forward_order():
    last, first = layers.Dense(2, name="last"), layers.Dense(2, name="first")
    inputs = keras.Input([3], name="inputs")
    model = keras.Model(inputs, last(first(inputs)), name="model")

    assert names(model) == ["model", "inputs", "first", "last"]


def test_layers_of_a_nested_model_are_listed_where_it_is_called():
    inner = keras.Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="b")], name="inner")
    model = keras.Sequential([layers.Dense(2, name="before"), inner, layers.Dense(2, name="after")])

    assert names(model)[1:] == ["before", "inner", "a", "b", "after"]


def test_inner_layers_follow_their_outer_layer():
    model = keras.Sequential([layers.Bidirectional(layers.LSTM(2, name="lstm"), name="both")])

    assert names(model)[1] == "both"
    assert {"forward_lstm", "backward_lstm"} <= set(names(model)[2:])


def test_a_layer_that_is_called_twice_is_listed_once():
    shared = layers.Dense(3, name="shared")
    inputs = keras.Input([3], name="inputs")
    model = keras.Model(inputs, shared(shared(inputs)), name="model")

    assert names(model) == ["model", "inputs", "shared"]


def test_each_layer_is_listed_with_its_outer_layer():
    inner = keras.Sequential([layers.Dense(2, name="a")], name="inner")
    model = keras.Sequential([inner, layers.Dense(2, name="b")], name="model")
    around = {
        place.layer.name: place.around and place.around.name
        for place in ModelMap(model).places.values()
    }

    assert around == {"model": None, "inner": "model", "a": "inner", "b": "model"}


def test_a_layer_trains_along_with_its_own_variables():
    model = keras.Sequential([keras.Input([3]), layers.Dense(2), layers.Dense(1)])
    first, second = model.layers

    assert ModelMap(model).observed == {
        first: [first.kernel, first.bias],
        second: [second.kernel, second.bias],
    }


def test_a_layer_without_variables_trains_along_with_its_outer_layer():
    inner = keras.Sequential([keras.Input([3]), layers.Dense(2), layers.ReLU()])
    model = keras.Sequential([keras.Input([3]), inner, layers.Dense(1), layers.Softmax()])
    observed = ModelMap(model).observed

    assert observed[inner.layers[1]] == inner.trainable_variables
    assert observed[model.layers[2]] == model.trainable_variables


def test_a_frozen_layer_trains_along_with_its_outer_layer():
    model = keras.Sequential([keras.Input([3]), layers.Dense(2), layers.Dense(1)])
    first, second = model.layers
    first.trainable = False

    assert ModelMap(model).observed[first] == [second.kernel, second.bias]


def test_a_layer_that_is_called_twice_is_observed_once():
    shared, activation = layers.Dense(3), layers.ReLU()
    inputs = keras.Input([3])
    model = keras.Model(inputs, activation(shared(activation(shared(inputs)))))

    assert list(ModelMap(model).observed) == [shared, activation]


def test_an_activation_inside_a_layer_is_observed():
    relu = layers.ReLU()
    dense = layers.Dense(2, activation=relu)
    model = keras.Sequential([keras.Input([3]), dense])

    assert ModelMap(model).observed == {dense: dense.variables, relu: dense.variables}


def test_the_cell_of_a_recurrent_layer_is_not_observed():
    model = keras.Sequential([keras.Input([5, 3]), layers.GRU(2)])

    assert list(ModelMap(model).observed) == model.layers

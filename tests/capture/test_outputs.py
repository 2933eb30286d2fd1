"""Finding the numbers, the rows and the logits of a layer's output of any kind."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vg_keras.capture.outputs import (
    is_inexact,
    logits_of,
    name_of_call,
    rows_of,
    values_of,
    with_keras_attributes,
)

X = tf.constant([[1.0, 2.0, 0.0]])
RAGGED = tf.ragged.constant([[[1.0], [2.0, 3.0]], [], [[4.0]]])
SPARSE = tf.sparse.from_dense([[0.0, 5.0], [0.0, 0.0], [6.0, 0.0], [0.0, 0.0]])


def test_a_quantized_layer_computes_its_output_in_another_method():
    dense = keras.layers.Dense(2)
    dense.build([None, 3])
    before = name_of_call(dense)
    dense.quantize("int8")

    assert before == "call"
    assert name_of_call(dense) == "quantized_call"
    assert name_of_call(keras.layers.ReLU()) == "call"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64", "complex64"])
def test_floating_point_and_complex_tensors_can_be_measured(dtype):
    assert is_inexact(tf.zeros([0, 3], dtype))


@pytest.mark.parametrize(
    "output",
    [
        tf.constant(1),
        tf.constant(True),
        tf.constant("a"),
        np.ones(3),
        1.0,
        None,
        RAGGED,
        SPARSE,
        tf.IndexedSlices(X, tf.constant([0])),
    ],
    ids=str,
)
def test_other_tensors_cannot_be_measured_directly(output):
    assert not is_inexact(output)


def test_a_ragged_or_sparse_output_gives_a_dense_tensor_of_numbers():
    assert values_of(RAGGED).numpy().tolist() == [1, 2, 3, 4]
    assert values_of(SPARSE).numpy().tolist() == [5, 6]
    assert values_of(X) is X
    assert values_of(None) is None


def test_rows_are_counted_separately_if_the_numbers_do_not_show_them():
    assert rows_of(RAGGED).numpy() == 3
    assert rows_of(SPARSE).numpy() == 4
    assert rows_of(X) is None


def test_in_eager_mode_only_keras_knows_the_logits():
    by_keras = keras.activations.softmax(X)
    odd = tf.nn.softmax(X)
    odd._keras_logits = [1.0, 2.0]

    assert np.array_equal(logits_of(by_keras), X)
    assert logits_of(tf.nn.softmax(X)) is None
    assert logits_of(odd) is None


@pytest.mark.parametrize(
    ("function", "has_logits"),
    [
        (tf.nn.softmax, True),
        (tf.nn.sigmoid, True),
        (keras.activations.softmax, True),
        (tf.nn.relu, False),
        (lambda x: 1 * tf.nn.softmax(x), False),
    ],
)
def test_in_a_graph_the_operation_gives_the_logits(function, has_logits):
    with tf.Graph().as_default():
        logits = tf.constant([[1.0, 2.0]])

        assert (logits_of(function(logits)) is logits) == has_logits


def test_a_non_tensor_has_no_logits():
    with tf.Graph().as_default():
        assert logits_of(None) is None
        assert logits_of(np.ones(3)) is None


def test_only_attributes_attached_by_keras_are_copied():
    of, copy = tf.constant([1.0]), tf.constant([2.0])
    of._keras_mask, of._keras_logits, of.mine = "mask", "logits", "mine"
    returned = with_keras_attributes(copy, of=of)

    assert returned is copy
    assert (copy._keras_mask, copy._keras_logits) == ("mask", "logits")
    assert not hasattr(copy, "mine")

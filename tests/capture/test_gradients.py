"""Gradients, dense or IndexedSlices, without the loss scale and split by the regularizer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vg_keras.capture.gradients import as_tensor, dense_parts, divided, on_values, penalty_gradient


def test_without_a_loss_scale_a_gradient_is_unchanged():
    gradient = tf.ones([2], tf.float16)

    assert divided(gradient, None) is gradient


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float16", "float32"), ("bfloat16", "float32"), ("float32", "float32"), ("float64",) * 2],
)
def test_a_gradient_is_unscaled_in_at_least_float32(dtype, expected):
    found = divided(tf.constant([3.0], dtype), tf.constant(2.0**30))

    assert found.dtype == expected
    assert found.numpy() == [3 * 2.0**-30]


def test_half_precision_slices_are_unscaled_without_loss():
    values = tf.constant([[1.0, 0.0], [2.0, 0.0]], tf.float16)
    slices = tf.IndexedSlices(values, tf.constant([3, 3]), tf.constant([5, 2]))
    found = divided(slices, tf.constant(2.0**30))

    assert (found.values / 2.0**-30).numpy().tolist() == [[1, 0], [2, 0]]
    assert found.indices is slices.indices
    assert found.dense_shape is slices.dense_shape


def test_the_values_of_slices_are_their_dense_part():
    dense, values = tf.constant([1.0]), tf.constant([[2.0], [3.0]])
    slices = tf.IndexedSlices(values, tf.constant([0, 4]), tf.constant([5, 1]))
    found = dense_parts([dense, slices])

    assert found[0] is dense
    assert found[1] is values


def test_a_variable_is_read_and_slices_are_left_alone():
    slices = tf.IndexedSlices(tf.constant([[2.0]]), tf.constant([4]), tf.constant([5, 1]))
    variable = tf.Variable([1.0, 2.0])

    assert as_tensor(slices) is slices
    assert isinstance(as_tensor(variable), tf.Tensor)
    assert as_tensor(variable).numpy().tolist() == [1.0, 2.0]


def test_a_function_of_slices_keeps_their_indices():
    slices = tf.IndexedSlices(tf.constant([[2.0]]), tf.constant([4]), tf.constant([5, 1]))
    found = on_values(lambda values: 3 * values, slices)

    assert found.values.numpy().tolist() == [[6.0]]
    assert found.indices is slices.indices
    assert found.dense_shape is slices.dense_shape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_a_penalty_is_that_of_its_formula(dtype):
    value = tf.constant([1.0, -2.0, 0.5], dtype)
    found = penalty_gradient(keras.regularizers.L2(0.1), value, tf.constant(3.0))

    assert found.dtype == value.dtype
    assert found.numpy() == pytest.approx(3.0 * 0.2 * value.numpy())


def test_a_constant_penalty_has_a_zero_gradient():
    found = penalty_gradient(lambda _: tf.constant(7.0), tf.ones([2]), tf.constant(1.0))

    assert np.array_equal(found, [0.0, 0.0])

"""Sketches are kept in the slot of their step until the host reads them, and no longer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vg_keras.capture.gradient_variables import GradientVariables
from vg_keras.schedule import NEVER


@pytest.fixture
def variables():
    return {"a": keras.Variable(np.zeros(3, np.float32)), "b": keras.Variable(np.zeros([2, 2]))}


def keep(kept, variables, step, *gradients):
    gradients = [g if g is None else tf.constant(g, tf.float32) for g in gradients]
    chosen = list(variables.values())
    kept.keep(tf.constant(step, tf.int64), keras.optimizers.SGD(), gradients, chosen)


A, B = [1.0, 2.0, -2.0], [[0.0, 0.0], [3.0, 4.0]]


def test_what_is_kept_is_read(variables):
    kept = GradientVariables(variables, 1, 1, 7)
    keep(kept, variables, 7, A, B)
    (record,) = kept.read()

    assert record.step == 7
    assert {path: s.norm for path, s in record.gradients.items()} == {"a": 3, "b": 5}
    assert [s.count for s in record.gradients.values()] == [3, 4]
    assert record.gradients["b"].zeros == 2
    assert record.without_gradient == ()


def test_nothing_kept_is_nothing_read(variables):
    assert GradientVariables(variables, 1, 1, 0).read() == []


def test_a_new_execution_forgets_the_last_one(variables):
    kept = GradientVariables(variables, 1, 1, 0)
    keep(kept, variables, 0, A, B)
    kept.begin_execution(1)

    assert kept.read() == []


def test_a_gradient_that_is_none_is_named(variables):
    kept = GradientVariables(variables, 1, 1, 0)
    keep(kept, variables, 0, A, None)
    (record,) = kept.read()

    assert list(record.gradients) == ["a"]
    assert record.without_gradient == ("b",)


def test_gradients_may_come_by_parts(variables):
    kept = GradientVariables(variables, 1, 1, 0)
    for path, gradient in (("b", B), ("a", A)):
        keep(kept, {path: variables[path]}, 0, gradient)
    (record,) = kept.read()

    assert {path: s.norm for path, s in record.gradients.items()} == {"a": 3, "b": 5}


def test_variables_that_are_not_monitored_are_passed_over(variables):
    kept = GradientVariables({"b": variables["b"]}, 1, 1, 0)
    keep(kept, variables, 0, A, B)

    assert list(kept.read()[0].gradients) == ["b"]


def test_a_variable_of_tensorflow_beneath_one_of_keras_is_the_same(variables):
    kept = GradientVariables(variables, 1, 1, 0)
    beneath = {path: variable.value for path, variable in variables.items()}
    keep(kept, beneath, 0, A, B)

    assert list(kept.read()[0].gradients) == ["a", "b"]


@pytest.mark.parametrize(
    ("every", "first", "steps", "expected"),
    [
        (1, 0, [0, 1, 2, 3], [0, 1, 2, 3]),
        (1, 5, [5, 6, 7, 8], [5, 6, 7, 8]),
        (2, 4, [4, 5, 6, 7], [4, 6]),
        (3, 6, [4, 5, 6, 7], [6]),
        (3, 7, [7, 8, 9, 10], [7, 9]),
        (3, 5, [5, 6, 7, 8], [5, 6]),
        (4, 7, [7, 8, 9, 10], [7, 8]),
        (NEVER, 9, [9, 10, 11, 12], [9]),
        (2, 0, [0, 1], [0]),
    ],
)
def test_of_an_execution_of_four_steps_those_that_are_due_are_kept(
    variables, every, first, steps, expected
):
    kept = GradientVariables(variables, 4, every, first)
    for step in steps:
        keep(kept, variables, step, [step, 0.0, 0.0], B)
    records = kept.read()

    assert [record.step for record in records] == expected
    assert [record.gradients["a"].norm for record in records] == expected


def test_a_fixed_loss_scale_is_divided_out(variables):
    kept = GradientVariables(variables, 1, 1, 0)
    optimizer = keras.optimizers.SGD(loss_scale_factor=4.0)
    gradients = [tf.constant(A), tf.constant(B)]
    kept.keep(tf.constant(0, tf.int64), optimizer, gradients, list(variables.values()))

    assert [s.norm for s in kept.read()[0].gradients.values()] == [0.75, 1.25]


def test_slices_of_half_precision_are_unscaled_without_loss():
    table = keras.Variable(np.zeros([5, 2], np.float32))
    kept = GradientVariables({"table": table}, 1, 1, 0)
    optimizer = keras.optimizers.SGD(loss_scale_factor=2.0**30)
    values = tf.constant([[1.0, 0.0], [2.0, 0.0]], tf.float16)
    slices = tf.IndexedSlices(values, tf.constant([3, 3]), tf.constant([5, 2]))
    kept.keep(tf.constant(0, tf.int64), optimizer, [slices], [table])
    sketch = kept.read()[0].gradients["table"]

    assert sketch.norm == 3 * 2.0**-30
    assert (sketch.count, sketch.zeros) == (10, 9)

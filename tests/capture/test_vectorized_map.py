"""Tensors in the body of a `tf.vectorized_map` are mapped to the tensors of all rows."""

import numpy as np
import pytest
import tensorflow as tf

from vg_keras.capture.vectorized_map import following_conversions, single_rows

X = np.arange(12, dtype=np.float32).reshape(4, 3)


def in_graph(step):
    """Runs a step in a graph, and returns its results as arrays."""
    return tf.nest.map_structure(np.asarray, tf.function(step, autograph=False)(tf.constant(X)))


def test_a_single_rows_tensor_becomes_the_tensor_of_all_rows():
    conversions, bodies = [], []

    def body(row):
        bodies.append(2 * row)
        return tf.reduce_sum(bodies[-1])

    def step(x):
        sums = tf.vectorized_map(body, x)
        return conversions[-1](bodies[-1]), sums

    with following_conversions(conversions.append):
        doubled, sums = in_graph(step)

    assert np.array_equal(doubled, 2 * X)
    assert np.array_equal(sums, (2 * X).sum(axis=1))
    assert len(conversions) == 1


def test_a_tensor_from_outside_is_unchanged():
    conversions, same = [], []

    def step(x):
        outside = 3 * x
        y = tf.vectorized_map(lambda row: row + 1, x)
        same.append(conversions[-1](outside) is outside)
        return y

    with following_conversions(conversions.append):
        in_graph(step)

    assert same == [True]


def test_every_listener_is_notified_of_every_map():
    first, second = [], []

    def step(x):
        return tf.vectorized_map(lambda row: row + 1, tf.vectorized_map(lambda row: 2 * row, x))

    with following_conversions(first.append), following_conversions(second.append):
        found = in_graph(step)

    assert (len(first), len(second)) == (2, 2)
    assert np.array_equal(found, 2 * X + 1)


@pytest.mark.parametrize("error", [None, ValueError])
def test_a_removed_listener_is_not_notified(error):
    conversions = []

    def use():
        with following_conversions(conversions.append):
            if error:
                raise error

    if error:
        with pytest.raises(error):
            use()
    else:
        use()
    found = in_graph(lambda x: tf.vectorized_map(lambda row: row + 1, x))

    assert conversions == []
    assert np.array_equal(found, X + 1)


def test_tensors_of_a_single_row_are_identified():
    found = []

    def step(x):
        outside, noted = 3 * x, []

        def body(row):
            noted.extend([2 * row, tf.constant(1.0), row + x[0]])
            return noted[0]

        y = tf.vectorized_map(body, x)
        tensors = [outside, *noted, y]
        rows = single_rows(tensors)
        found.extend(id(tensor) in rows for tensor in tensors)
        return y

    in_graph(step)

    assert found == [False, True, False, True, False]


def test_without_a_map_nothing_belongs_to_a_single_row():
    found = [single_rows([])]
    in_graph(lambda x: found.append(single_rows([x, 2 * x])) or x)

    assert found == [set(), set()]

"""Of the custom gradients that a trace registers, only those of all-reduces are removed again."""

import gc
import weakref

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from vg_keras.capture.custom_gradients import sums_over_replicas_released


def registered():
    return set(ops.gradient_registry.list())


def summed(x):
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, x)


@tf.custom_gradient
def threefold_slope(x):
    """The same number, with three times the slope."""
    return tf.identity(x), lambda upstream: 3 * upstream


def trace(function):
    return tf.function(function, autograph=False).get_concrete_function(tf.constant(2.0))


def test_a_sum_over_replicas_leaves_nothing_behind():
    before = registered()
    trace(summed)  # check that it would without removal
    without = registered()
    with sums_over_replicas_released():
        concrete = trace(lambda x: 5 * summed(x))

    assert len(without - before) == 1
    assert registered() == without
    assert concrete(tf.constant(2.0)).numpy() == 10


def test_a_custom_gradient_of_the_user_can_be_differentiated_afterwards():
    with sums_over_replicas_released():
        concrete = trace(lambda x: threefold_slope(x) * summed(tf.constant(2.0)))
    x = tf.constant(5.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = concrete(x)

    assert tape.gradient(y, x).numpy() == 6


def test_the_graph_of_a_keras_train_step_is_freed():
    variable = keras.Variable(1.0)
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build([variable])

    def step(x):
        optimizer.apply([x * variable], [variable])

    with sums_over_replicas_released():
        concrete = trace(step)
    concrete(tf.constant(1.0))
    graph = weakref.ref(concrete.graph)
    was_there = graph() is not None
    del concrete
    gc.collect()

    assert was_there
    assert variable.numpy() == 0.5
    assert graph() is None


def test_a_trace_that_fails_leaves_nothing_behind():
    before = registered()

    def fail(x):
        summed(x)
        raise KeyError

    with pytest.raises(KeyError), sums_over_replicas_released():
        trace(fail)

    assert registered() == before


def test_earlier_registrations_are_kept():
    trace(summed)
    before = registered()
    with sums_over_replicas_released():
        pass

    assert registered() == before

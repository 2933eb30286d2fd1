"""The `tf.function`s behind a train function are found, and traced without being run."""

import functools

import pytest
import tensorflow as tf
from small_models import compiled, fit, mlp, regression_data

from vg_keras.capture.tf_functions import (
    outermost_functions,
    takes_iterator,
    trace,
    trace_like,
    traces_of,
)


def iterator():
    return iter(tf.data.Dataset.from_tensor_slices(regression_data(1)).batch(8))


def test_keras_runs_one_function_that_takes_the_iterator():
    model = compiled(mlp())
    model.make_train_function()
    (function,) = outermost_functions(model.train_function)

    assert takes_iterator(function, iterator())
    assert not takes_iterator(function, [1, 2])


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}])
def test_an_eager_model_runs_no_tf_function(how):
    model = compiled(mlp(), **how)
    model.make_train_function()
    tf.config.run_functions_eagerly(not how)
    found = outermost_functions(model.train_function)
    tf.config.run_functions_eagerly(False)

    assert found == []


def test_functions_are_found_in_closures_and_partials_but_not_in_each_other():
    inner = tf.function(lambda x: x + 1)
    outer = tf.function(lambda x: inner(x))
    around = functools.partial(lambda f, x: outer(x), None)

    assert outermost_functions(around) == [outer]
    assert outermost_functions(lambda: (inner, outer)) == [outer]
    assert outermost_functions(lambda: None) == []


def test_a_users_function_is_not_mistaken_for_kerass():
    assert not takes_iterator(tf.function(lambda x: x), iterator())


def test_tracing_runs_nothing_and_happens_once():
    model = compiled(mlp())
    model.make_train_function()
    model.optimizer.build(model.trainable_variables)
    before = [w.tolist() for w in model.get_weights()]
    (function,) = outermost_functions(model.train_function)
    data = iterator()
    first, again = trace(function, data), trace(function, data)

    assert (first[1], again[1]) == (True, False)
    assert first[0] is again[0]
    assert [w.tolist() for w in model.get_weights()] == before
    assert len(list(data)) == 1


def test_a_trained_function_has_a_trace():
    model = compiled(mlp())
    fit(model, *regression_data(2))
    (function,) = outermost_functions(model.train_function)

    assert len(traces_of(function)) == 1


def test_a_function_can_be_traced_for_the_arguments_of_another():
    first, second = tf.function(lambda x, n: x * n), tf.function(lambda x, n: x + n)
    concrete = first.get_concrete_function(tf.ones([2, 3]), 4)
    found = trace_like(second, concrete)

    assert found(tf.ones([2, 3])).numpy().tolist() == [[5.0] * 3] * 2

"""What is handed to an optimizer is seen, and the optimizer is left as it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import compiled, mlp

from vg_keras.capture.optimizers import (
    intercepted,
    loss_scale,
    optimizers_of,
    summed_over_replicas,
)


def test_the_optimizer_that_a_model_is_compiled_with_comes_first():
    model = compiled(mlp(depth=0))
    model.another = keras.optimizers.Adam()

    assert optimizers_of(model) == [model.optimizer, model.another]


def test_optimizers_in_lists_and_dictionaries_are_found():
    model = mlp(depth=0)
    first, second = keras.optimizers.SGD(), keras.optimizers.SGD()
    model.listed, model.named = [first], {"a": second}

    assert {id(o) for o in optimizers_of(model)} == {id(first), id(second)}


def test_optimizers_in_tuples_are_found():
    # TensorFlow wraps them, and `list += wrapped` is a TypeError.
    model = mlp(depth=0)
    first, second = keras.optimizers.SGD(), keras.optimizers.SGD()
    model.tupled, model.sizes = (first, second), (3, 5)

    assert {id(o) for o in optimizers_of(model)} == {id(first), id(second)}


def test_an_optimizer_is_found_once():
    model = compiled(mlp(depth=0))
    model.again = [model.optimizer, model.optimizer]

    assert optimizers_of(model) == [model.optimizer]


def test_a_model_that_is_not_compiled_has_none():
    assert optimizers_of(mlp(depth=0)) == []


@pytest.fixture
def variable():
    return keras.Variable(np.zeros(2, np.float32))


def test_the_hook_sees_gradients_before_they_are_applied(variable):
    optimizer = keras.optimizers.SGD(1.0)
    seen = []

    def hook(*arguments):
        seen.append((*arguments, variable.numpy().tolist()))

    gradient = tf.constant([1.0, 2.0])
    with intercepted([optimizer], hook):
        optimizer.apply([gradient], [variable])

    ((of, gradients, variables, value),) = seen
    assert of is optimizer
    assert gradients[0] is gradient
    assert variables[0] is variable
    assert value == [0, 0]
    assert variable.numpy().tolist() == [-1, -2]


def test_the_hook_sees_apply_gradients_too(variable):
    optimizer = keras.optimizers.SGD(1.0)
    seen = []
    with intercepted([optimizer], lambda *arguments: seen.append(arguments)):
        optimizer.apply_gradients([(tf.ones([2]), variable)])

    assert [arguments[2] for arguments in seen] == [[variable]]


def test_without_variables_those_that_the_optimizer_was_built_with_are_meant(variable):
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build([variable])
    seen = []
    with intercepted([optimizer], lambda *arguments: seen.append(arguments)):
        optimizer.apply([tf.ones([2])])

    assert [[v is variable for v in arguments[2]] for arguments in seen] == [[True]]
    assert variable.numpy().tolist() == [-1, -1]


def test_iterators_reach_both_the_hook_and_the_optimizer(variable):
    optimizer = keras.optimizers.SGD(1.0)
    seen = []
    with intercepted([optimizer], lambda *arguments: seen.append(arguments)):
        optimizer.apply(iter([tf.ones([2])]), iter([variable]))

    assert len(seen) == 1
    assert variable.numpy().tolist() == [-1, -1]


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_optimizer_is_as_it_was_afterwards(variable, error):
    optimizer = keras.optimizers.SGD()
    before = set(vars(optimizer))

    def use():
        with intercepted([optimizer], lambda *arguments: None):
            assert "apply" in vars(optimizer)
            if error:
                raise error

    if error:
        with pytest.raises(error):
            use()
    else:
        use()

    assert set(vars(optimizer)) == before


def test_without_a_loss_scale_there_is_none():
    assert loss_scale(keras.optimizers.SGD()) is None


def test_a_fixed_loss_scale():
    assert float(loss_scale(keras.optimizers.SGD(loss_scale_factor=8.0))) == 8


def test_a_dynamic_loss_scale(variable):
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(), initial_scale=16.0)
    optimizer.build([variable])

    assert float(loss_scale(optimizer)) == 16


def test_on_one_device_gradients_are_their_own_sum():
    gradients = [tf.ones([2])]

    assert summed_over_replicas(gradients) is gradients


def test_replicas_sum_their_gradients(two_replicas):
    @tf.function
    def run():
        def replica():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            return summed_over_replicas([tf.fill([2], tf.cast(number + 1, tf.float32))])[0]

        return two_replicas.run(replica)

    assert [part.numpy().tolist() for part in run().values] == [[3, 3], [3, 3]]

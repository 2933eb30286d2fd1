"""What is passed to an optimizer is observed, and the optimizer itself is left unchanged."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import compiled, mlp

from vg_keras.capture.optimizers import (
    checked_optimizers_of,
    counter_of,
    counts_of,
    intercepted,
    loss_scale,
    optimizers_of,
    summed_over_replicas,
)


def test_the_compiled_optimizer_is_listed_first():
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


def test_each_optimizer_is_found_once():
    model = compiled(mlp(depth=0))
    model.again = [model.optimizer, model.optimizer]

    assert optimizers_of(model) == [model.optimizer]


def test_an_uncompiled_model_has_no_optimizer():
    assert optimizers_of(mlp(depth=0)) == []


@pytest.fixture
def variable():
    return keras.Variable(np.zeros(2, np.float32))


def noting(seen):
    """Returns a hook that records its arguments and lets the optimizer do its work."""

    def hook(*arguments):
        seen.append(arguments)
        return arguments[3]()

    return hook


def test_the_hook_sees_gradients_before_they_are_applied(variable):
    optimizer = keras.optimizers.SGD(1.0)
    seen = []

    def hook(*arguments):
        seen.append((*arguments, variable.numpy().tolist()))
        arguments[3]()

    gradient = tf.constant([1.0, 2.0])
    with intercepted([optimizer], hook):
        optimizer.apply([gradient], [variable])

    ((of, gradients, variables, _, value),) = seen
    assert of is optimizer
    assert gradients[0] is gradient
    assert variables[0] is variable
    assert value == [0, 0]
    assert variable.numpy().tolist() == [-1, -2]


def test_the_optimizer_updates_when_the_hook_calls_it(variable):
    optimizer = keras.optimizers.SGD(1.0)
    with intercepted([optimizer], lambda *arguments: None):
        optimizer.apply([tf.ones([2])], [variable])

    assert variable.numpy().tolist() == [0, 0]


def test_apply_returns_what_the_hook_returns(variable):
    optimizer = keras.optimizers.SGD(1.0)
    with intercepted([optimizer], lambda *arguments: "result"):
        assert optimizer.apply([tf.ones([2])], [variable]) == "result"


def test_each_of_several_optimizers_is_observed(variable):
    first, second = keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0)
    seen = []
    with intercepted([first, second], noting(seen)):
        second.apply([tf.ones([2])], [variable])
        first.apply([tf.ones([2])], [variable])

    assert [arguments[0] for arguments in seen] == [second, first]
    assert variable.numpy().tolist() == [-2, -2]


def test_a_none_among_the_gradients_reaches_the_hook(variable):
    optimizer, seen = keras.optimizers.SGD(1.0), []
    other = keras.Variable(np.ones(2, np.float32))
    with intercepted([optimizer], noting(seen)), pytest.warns(UserWarning, match="not exist"):
        optimizer.apply([None, tf.ones([2])], [other, variable])

    assert seen[0][1][0] is None
    assert variable.numpy().tolist() == [-1, -1]


def test_the_hook_sees_apply_gradients_too(variable):
    optimizer = keras.optimizers.SGD(1.0)
    seen = []
    with intercepted([optimizer], noting(seen)):
        optimizer.apply_gradients([(tf.ones([2]), variable)])

    assert [arguments[2] for arguments in seen] == [[variable]]


def test_omitted_variables_default_to_those_the_optimizer_was_built_with(variable):
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build([variable])
    seen = []
    with intercepted([optimizer], noting(seen)):
        optimizer.apply([tf.ones([2])])

    assert [[v is variable for v in arguments[2]] for arguments in seen] == [[True]]
    assert variable.numpy().tolist() == [-1, -1]


def test_iterators_reach_both_the_hook_and_the_optimizer(variable):
    optimizer = keras.optimizers.SGD(1.0)
    seen = []
    with intercepted([optimizer], noting(seen)):
        optimizer.apply(iter([tf.ones([2])]), iter([variable]))

    assert len(seen) == 1
    assert variable.numpy().tolist() == [-1, -1]


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_optimizer_is_unchanged_afterwards(variable, error):
    optimizer = keras.optimizers.SGD()
    before = set(vars(optimizer))

    def use():
        with intercepted([optimizer], lambda *arguments: None):
            assert "apply" in vars(optimizer)
            if error:
                raise error

    with pytest.raises(error) if error else nullcontext():
        use()

    assert set(vars(optimizer)) == before


def test_the_iterations_of_each_optimizer_are_read():
    model = compiled(mlp(depth=0))
    model.another = keras.optimizers.Adam()
    model.another.iterations.assign(7)

    assert list(counts_of(checked_optimizers_of(model)).values()) == [0, 7]


def test_a_model_without_an_optimizer_raises():
    with pytest.raises(ValueError, match="optimizer") as caught:
        checked_optimizers_of(mlp(depth=0))

    assert str(caught.value) == (
        "Expected a model with an optimizer. Received: 'sequential', which has none, "
        "neither by `compile` nor as an attribute. Compile it with one."
    )


@pytest.mark.parametrize("scaled", [False, True])
def test_gradient_accumulation_counts_each_batch(variable, scaled):
    optimizer = keras.optimizers.SGD(1.0, gradient_accumulation_steps=2)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build([variable])
    counts = []
    for _ in range(3):
        optimizer.apply([tf.ones([2])])
        counts.append(int(counter_of(optimizer).numpy()))

    assert counts == [1, 2, 3]


def test_an_optimizer_without_loss_scaling_has_no_loss_scale():
    assert loss_scale(keras.optimizers.SGD()) is None


def test_a_fixed_loss_scale_is_read():
    assert float(loss_scale(keras.optimizers.SGD(loss_scale_factor=8.0))) == 8


def test_a_dynamic_loss_scale_is_read(variable):
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


def test_an_empty_list_sums_to_an_empty_list(two_replicas):
    assert two_replicas.run(lambda: summed_over_replicas([])) == []

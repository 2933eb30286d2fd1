"""TensorFlow's op callbacks see no operations while they are suspended."""

from contextlib import nullcontext

import pytest
import tensorflow as tf

from vg_keras.capture.op_callbacks import suspended


@pytest.fixture
def numerics_checked():
    tf.debugging.enable_check_numerics()
    yield
    tf.debugging.disable_check_numerics()


def overflow():
    return tf.reduce_max(tf.constant(1e30) * 1e30)


def test_an_overflow_does_not_raise_while_callbacks_are_suspended(numerics_checked):
    with suspended():
        assert overflow().numpy() == float("inf")


def test_an_overflow_in_a_graph_does_not_raise(numerics_checked):
    @tf.function(autograph=False)
    def step():
        with suspended():
            return tf.cast(tf.math.is_inf(overflow()), tf.int32)

    assert step().numpy() == 1


@pytest.mark.parametrize("error", [None, KeyError])
def test_callbacks_are_restored_afterwards(numerics_checked, error):
    def use():
        with suspended():
            if error:
                raise error

    with pytest.raises(error) if error else nullcontext():
        use()

    with pytest.raises(tf.errors.InvalidArgumentError, match="Inf"):
        overflow()


def test_suspending_without_callbacks_does_nothing():
    with suspended():
        assert overflow().numpy() == float("inf")

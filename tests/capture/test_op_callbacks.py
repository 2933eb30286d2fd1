"""TensorFlow's op callbacks see nothing of what is done while they are suspended."""

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


def test_an_overflow_ends_nothing_while_they_are_suspended(numerics_checked):
    with suspended():
        assert overflow().numpy() == float("inf")


def test_in_a_graph_an_overflow_ends_nothing(numerics_checked):
    @tf.function(autograph=False)
    def step():
        with suspended():
            return tf.cast(tf.math.is_inf(overflow()), tf.int32)

    assert step().numpy() == 1


@pytest.mark.parametrize("error", [None, KeyError])
def test_afterwards_they_are_back(numerics_checked, error):
    def use():
        with suspended():
            if error:
                raise error

    with pytest.raises(error) if error else nullcontext():
        use()

    with pytest.raises(tf.errors.InvalidArgumentError, match="Inf"):
        overflow()


def test_without_any_there_is_nothing_to_suspend():
    with suspended():
        assert overflow().numpy() == float("inf")

"""The number of examples in the output of a layer, with known and unknown shapes."""

import pytest
import tensorflow as tf

from vg_keras.capture.calls import Call
from vg_keras.capture.num_examples import examples_of


def counted(value, spec=None, examples=None):
    """The number of examples in one output, counted in a graph whose input has this shape."""

    @tf.function(input_signature=[tf.TensorSpec(value.shape if spec is None else spec[0])])
    def count(value):
        call = Call(value, None, 1, examples)
        counts = tf.cast(tf.reshape(tf.size(value), [1, 1]), tf.int64)
        return examples_of([[call]], counts)

    return count(value).numpy().tolist()


@pytest.mark.parametrize(
    "spec", [[8, 3], [None, 3], [None, None], None], ids=["known", "batch", "both", "rank"]
)
def test_the_first_axis_is_the_batch(spec):
    assert counted(tf.zeros([8, 3]), [tf.TensorShape(spec)]) == [8]


def test_a_scalar_is_one_example():
    assert counted(tf.constant(1.0)) == [1]


def test_an_empty_batch_has_no_examples():
    assert counted(tf.zeros([0, 3]), [tf.TensorShape([None, 3])]) == [0]


def test_rows_of_a_ragged_output_count_if_they_are_given():
    assert counted(tf.zeros([10]), examples=tf.constant(4)) == [4]

"""Elements that are NaN or infinite are counted in every floating-point dtype."""

import math

import pytest
import tensorflow as tf

from vg_keras.statistics.nonfinite import num_nonfinite


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, math.nan, -math.inf, math.inf], 3),
        ([[0.0, -1.0]], 0),
        (math.nan, 1),
        ([], 0),
    ],
)
def test_nan_and_infinities_are_counted(values, expected, dtype):
    found = num_nonfinite(tf.constant(values, dtype))

    assert (found.numpy(), found.dtype, found.shape) == (expected, tf.float64, [])

"""Which units are active: eagerly, in a graph and under XLA."""

import numpy as np
import pytest
import tensorflow as tf
from sketches import in_modes

from vg_keras.statistics.active_units import MAX_UNITS, active_units

MODES = {axis: in_modes(lambda outputs, a=axis: active_units(outputs, a)) for axis in (-1, 1)}


def active(mode, outputs, axis=-1):
    found = MODES[axis][mode]([tf.constant(values) for values in outputs])
    assert (found.dtype, found.shape) == (tf.bool, [MAX_UNITS])
    return np.flatnonzero(found).tolist()


@pytest.fixture(params=["eager", "graph", "xla"])
def mode(request):
    return request.param


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64])
def test_a_unit_is_active_if_nonzero_on_any_example(mode, dtype):
    outputs = np.array([[0, 1, 0, 0], [0, 0, 0, -2]], dtype)

    assert active(mode, [outputs]) == [1, 3]


def test_nan_is_active_but_minus_zero_is_not(mode):
    assert active(mode, [np.float32([[np.nan, -0.0], [0.0, 0.0]])]) == [0]


def test_units_are_counted_along_an_axis(mode):
    outputs = np.zeros([2, 3, 4], np.float32)
    outputs[1, 2, 0] = 1

    assert active(mode, [outputs], axis=1) == [2]
    assert active(mode, [outputs]) == [0]


def test_all_calls_of_a_layer_are_considered(mode):
    assert active(mode, [np.float32([[0, 1, 0]]), np.float32([[0, 0, 2], [0, 0, 0]])]) == [1, 2]


def test_a_wide_layer_keeps_its_first_units(mode):
    assert active(mode, [np.ones([1, MAX_UNITS + 5], np.float32)]) == list(range(MAX_UNITS))


def test_without_examples_no_unit_is_active(mode):
    assert active(mode, [np.zeros([0, 3], np.float32)]) == []

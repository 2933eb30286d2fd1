"""Norms of several tensors, against a NumPy twin: eagerly, in a graph and under XLA."""

import math

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from numpy_twin import statistics
from sketches import in_modes

from vg_keras.statistics.norms import norms

pytestmark = pytest.mark.slow

MODES = in_modes(norms)
ACCURACY = 1e-6
SIZE = 50  # all of one size, because XLA recompiles for every size
INF, NAN = math.inf, math.nan
_random = np.random.default_rng(0)

FLOAT32 = {
    name: np.resize(np.asarray(values, np.float32), SIZE)
    for name, values in {
        "usual": _random.normal(size=SIZE),
        "a wide range": 10.0 ** _random.uniform(-37, 38, SIZE) * np.sign(_random.normal(size=SIZE)),
        "squares below the range": [1e-20, -3e-30],
        "squares above the range": [1e20, -3e38],
        "near the ends of what is usual": [1e-13, 2e-14],
        "near the smallest normal": [1.2e-38, -1.3e-38],
        "near the largest": [3.4e38],
        "all zero": [0.0, -0.0],
        "zeros and one number": [0.0] * (SIZE - 1) + [1e-30],
        "subnormals": [1e-38, -1e-40, 0.0],
        "subnormals and a small normal": [1e-39, 1.2e-38],
        "the smallest subnormal": [1.4e-45],
        "a subnormal beside large numbers": [1e-40, 3e20],
    }.items()
}
OTHERS = {
    "float16": np.float16([65504, -1, 6e-8]),
    "float16, all small": np.float16([6e-8, -1.2e-7]),
    "bfloat16": np.array([3e38, 1, -1e-30], ml_dtypes.bfloat16),
    "bfloat16, all subnormal": np.array([1e-39, -9.2e-41], ml_dtypes.bfloat16),
    "float64 above float32": np.float64([1e300, -2e300]),
    "float64 below float32": np.float64([1e-300, -2e-300, 0]),
    "empty": np.zeros([0, 3], np.float32),
    "empty float64": np.zeros([0], np.float64),
    "one element": np.float32([-0.1]),
    "a scalar": np.float32(-7e-30),
    "of rank 3": np.arange(24, dtype=np.float32).reshape([2, 3, 4]),
    "many equal ones": np.full([100_003], 0.1, np.float32),
}
CASES = FLOAT32 | OTHERS


def norms_in(mode, arrays):
    return MODES[mode]([tf.constant(values) for values in arrays])


def twin(values):
    return statistics(values)["norm"]


def like(expected):
    return pytest.approx(expected, rel=ACCURACY, abs=0)


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


@pytest.mark.parametrize("case", CASES)
def test_the_norm_of_one_tensor_equals_the_twins(mode, case):
    (found,) = norms_in(mode, [CASES[case]]).numpy()

    assert found == like(twin(CASES[case]))


def test_each_of_several_tensors_has_its_own_norm(mode):
    found = norms_in(mode, CASES.values()).numpy()

    assert dict(zip(CASES, found, strict=True)) == like({c: twin(v) for c, v in CASES.items()})


def test_each_of_several_ordinary_tensors_has_its_own_norm(mode):
    usual = [_random.normal(size=SIZE).astype(np.float32) * scale for scale in (1e-3, 1, 1e3)]

    assert norms_in(mode, usual).numpy() == like([twin(values) for values in usual])


def test_a_norm_is_right_from_1e_minus_38_to_1e38(mode):
    arrays = [np.full(SIZE, 10.0**exponent, np.float32) for exponent in range(-38, 39)]

    assert norms_in(mode, arrays).numpy() == like([twin(values) for values in arrays])


@pytest.mark.parametrize("element", [NAN, INF, -INF])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_nonfinite_element_makes_the_norm_nonfinite(mode, element, dtype):
    broken = np.resize(np.array([1, element, 0], dtype), SIZE)
    found = norms_in(mode, [broken]).numpy()

    assert not np.isfinite(found).any()


@pytest.mark.parametrize("element", [NAN, INF])
def test_a_nonfinite_tensor_does_not_affect_the_norm_of_another(mode, element):
    broken = np.resize(np.float32([1, element]), SIZE)
    _, found = norms_in(mode, [broken, FLOAT32["usual"]]).numpy()

    assert found == like(twin(FLOAT32["usual"]))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_norms_are_float64(dtype):
    found = norms([tf.ones([3], dtype), tf.ones([2, 2], dtype)])

    assert (found.dtype, found.shape) == (tf.float64, [2])


def test_tensors_of_unknown_size_are_supported():
    unknown = tf.function(
        lambda values: norms([values]), input_signature=[tf.TensorSpec([None, None])]
    )

    assert unknown(tf.constant([[3.0, 4.0]])).numpy() == [5]
    assert unknown(tf.zeros([0, 2])).numpy() == [0]

"""Several tensors sketched at once get the same sketches as each of them alone."""

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from numpy_twin import bucket_counts, statistics
from sketches import in_modes

from vg_keras.sketch.sketch import Sketch
from vg_keras.statistics.tensor_sketch import sketch, sketch_all

pytestmark = pytest.mark.slow

MODES = in_modes(sketch_all)
NAMES = tuple(statistics([]))
INF, NAN = np.inf, np.nan

USUAL = [np.float32([[1, -2], [3, 4.5]]), np.float32([0, -0.0, 7]), np.float32(-1e30)]
CASES = {
    "usual": USUAL,
    "nan in one": [USUAL[0], np.float32([NAN, 2, -INF]), USUAL[2]],
    "subnormals in one": [USUAL[0], np.float32([1e-40, -3, -0.0]), USUAL[2]],
    "one is empty": [USUAL[0], np.zeros([0, 3], np.float32), USUAL[1]],
    "every dtype": [
        np.float16([1, -65504]),
        *USUAL,
        np.array([1, 3], ml_dtypes.bfloat16),
        np.float64([1e300, 1e-60, NAN]),
    ],
}


def like(expected):
    return pytest.approx(expected, rel=1e-6, abs=0, nan_ok=True)


@pytest.fixture(scope="module", params=MODES)
def sketches(request):
    """Returns the counts and the aggregates of every case."""
    return {
        case: [part.numpy() for part in MODES[request.param]([tf.constant(a) for a in arrays])]
        for case, arrays in CASES.items()
    }


@pytest.mark.parametrize("case", CASES)
def test_each_of_several_tensors_has_the_statistics_of_the_twin(sketches, case):
    found = [Sketch.of(*parts) for parts in zip(*sketches[case], strict=True)]

    assert len(found) == len(CASES[case])
    for one, values in zip(found, CASES[case], strict=True):
        assert {name: getattr(one, name) for name in NAMES} == like(statistics(values))


@pytest.mark.parametrize("case", CASES)
def test_each_of_several_tensors_has_the_counts_of_the_twin(sketches, case):
    # Without NaNs: float64 NaNs have no distinct buckets.
    numbers = [index for index in range(2048) if index % 1024 <= 1020]
    expected = np.array([bucket_counts(values) for values in CASES[case]])

    assert np.all(sketches[case][0][:, numbers] == expected[:, numbers])


@pytest.mark.parametrize("case", CASES)
def test_each_of_several_tensors_has_the_sketch_it_has_alone(case):
    counts, aggregates = sketch_all([tf.constant(values) for values in CASES[case]])
    alone = [sketch(tf.constant(values)) for values in CASES[case]]

    assert np.all(counts == np.stack([one.counts for one in alone]))
    assert aggregates.numpy() == like(np.stack([one.aggregates for one in alone]))


def test_one_tensor_of_another_dtype_raises_with_a_remedy():
    with pytest.raises(TypeError) as error:
        sketch_all([tf.ones([2]), tf.ones([2], tf.int32)])

    assert str(error.value) == (
        "`values` must be of dtype float16, bfloat16, float32 or float64. "
        "Received: int32. Cast it to one of these."
    )

"""The sketch of a tensor, against a NumPy twin: eagerly, in a graph and under XLA."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_twin import bucket_counts, statistics
from sketches import EXACT, MODES, sketch_in, twins_of, values_of

from vg_keras.sketch.sketch import AGGREGATES, Sketch
from vg_keras.statistics.tensor_sketch import sketch

pytestmark = pytest.mark.slow

ALL_OF_ONE_SIGN = ("finite_l1_norm", "finite_norm")
ACCURACY = 1e-6

# All of one size, because XLA recompiles for every size. 50 is not a multiple of the 16 numbers
# that are added at a time.
SIZE = 50
INF, NAN = np.inf, np.nan
_random = np.random.default_rng(0)
_normal = _random.normal(size=SIZE)


def _bits(patterns):
    return np.array(patterns, np.uint32).view(np.float32)


FLOAT32 = {
    name: np.resize(np.asarray(values, np.float32), SIZE)
    for name, values in {
        "both signs": _normal,
        "positive": np.abs(_normal),
        "negative": -np.abs(_normal),
        "a mean far from zero": 1000 + _normal,
        "terms that cancel": [1e30, 1.0, -1e30, 3.0],
        "wide range": 10.0 ** _random.uniform(-37, 38, SIZE) * np.sign(_normal),
        "near the smallest normal": [1.2e-38, -1.3e-38, 2.4e-38],
        "near the largest": [3.4e38, 3e38, -3.3e38],
        "a large number below zero": [1.0, -1e30, 1e-30],
        "zeros of both signs": [0.0, -0.0, 1.0, -2.0],
        "all zero": [0.0],
        "all minus zero": [-0.0],
        "subnormals": [1e-40, -1.4e-45, 1e-38, 0.0, 2.0**-127],
        "subnormals beside large numbers": [1e-40, 3.0, -1e-44, 1e30],
        "the smallest subnormal": [1.4e-45],
        "negative subnormals and minus zero": [-1e-40, -0.0],
        "nans and infinities": [1.0, NAN, -3.0, INF, 0.0, -INF, INF, -0.0],
        "infinities of one sign": [-INF, 2.0],
        "nans beside subnormals": [NAN, 1e-40],
        "all nan": [NAN],
        "all infinite": [INF, -INF],
    }.items()
} | {"nans of any payload": np.resize(_bits([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001]), SIZE)}
assert all(len(values) == SIZE for values in FLOAT32.values())


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


@pytest.fixture(scope="module", params=MODES)
def float32_sketches(request):
    return {case: sketch_in(request.param, values) for case, values in FLOAT32.items()}


@pytest.mark.parametrize("name", EXACT)
def test_counts_and_extremes_are_exact(float32_sketches, name):
    expected = twins_of(name, FLOAT32)

    assert values_of(name, float32_sketches) == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("name", ALL_OF_ONE_SIGN)
def test_sums_of_one_sign_are_right_to_1e_6(float32_sketches, name):
    expected = pytest.approx(twins_of(name, FLOAT32), rel=ACCURACY, abs=0, nan_ok=True)

    assert values_of(name, float32_sketches) == expected


def test_a_sum_of_both_signs_is_right_to_1e_6_of_the_magnitudes(float32_sketches):
    for case, found in float32_sketches.items():
        expected = statistics(FLOAT32[case])

        bound = ACCURACY * expected["finite_l1_norm"]
        assert abs(found.finite_sum - expected["finite_sum"]) <= bound


@pytest.mark.parametrize("case", FLOAT32)
def test_every_element_is_counted_in_its_bucket(float32_sketches, case):
    assert np.all(float32_sketches[case].counts == bucket_counts(FLOAT32[case]))


def test_a_norm_is_right_to_1e_6_from_1e_minus_38_to_1e38(mode):
    values = [np.float32(10.0**exponent) for exponent in range(-38, 39)]
    found = [sketch_in(mode, np.full(SIZE, value)).norm for value in values]
    expected = np.array(values, np.float64) * np.sqrt(SIZE)

    assert found == pytest.approx(expected, rel=ACCURACY, abs=0)


def test_sums_of_a_million_equal_values_are_right_to_1e_6(mode):
    value, size = np.float32(0.1), 1_000_003
    found = sketch_in(mode, np.full(size, value))
    exact = float(value) * size

    assert found.sum == pytest.approx(exact, rel=ACCURACY)
    assert found.l1_norm == pytest.approx(exact, rel=ACCURACY)
    assert found.norm == pytest.approx(float(value) * np.sqrt(size), rel=ACCURACY)
    assert found.mean == pytest.approx(float(value), rel=ACCURACY)


def test_a_sum_in_which_every_small_term_is_rounded_away_is_right_to_1e_6(mode):
    # Next to 1, a float32 sum drops terms below 2**-24. This is the worst case for 16 terms.
    values = np.full(1000, 0.99 * 2.0**-24, np.float32)
    values[0] = 1.0
    expected = statistics(values)

    assert sketch_in(mode, values).sum == pytest.approx(expected["sum"], rel=ACCURACY)


def test_powers_of_two_and_their_neighbors_are_in_their_own_buckets(mode):
    powers = (2.0 ** np.arange(-126, 128)).astype(np.float32)
    below, above = np.nextafter(powers, np.float32(0)), np.nextafter(powers, np.float32(INF))
    half = np.concatenate([below, powers, above])
    values = np.concatenate([half, -half[::2]])

    assert np.all(sketch_in(mode, values).counts == bucket_counts(values))


@pytest.mark.parametrize("value", [1e-40, -1e-40, 1.4e-45, -1.4e-45, 2.0**-127])
def test_a_subnormal_alone_is_exact(mode, value):
    value = np.float32(value)
    found = sketch_in(mode, value[np.newaxis])

    assert found.min == found.max == found.sum == value
    assert found.norm == found.l1_norm == abs(float(value))
    assert found.zeros == 0


@pytest.mark.parametrize(
    ("pattern", "bucket"), [(0x7FFFFFFF, 1023), (0xFFFFFFFF, 2047), (0x7F800001, 1020)]
)
def test_a_nan_is_distinguished_from_infinity_whatever_its_payload(mode, pattern, bucket):
    found = sketch_in(mode, _bits([pattern]))

    assert (found.nans, found.positive_infinities, found.negative_infinities) == (1, 0, 0)
    assert found.counts[bucket] == 1


def test_an_empty_tensor_is_supported_in_a_graph_and_under_xla(mode):
    found = sketch_in(mode, np.zeros([3, 0], np.float32))

    assert found.count == 0
    assert (found.sum, found.norm) == (0, 0)
    assert np.isnan([found.min, found.max]).all()


def test_one_element_is_its_own_sum_and_extremes(mode):
    found = sketch_in(mode, np.float32([-0.1]))
    value = float(np.float32(-0.1))

    assert found.min == found.max == value
    assert found.sum == pytest.approx(value, rel=ACCURACY)
    assert found.norm == pytest.approx(-value, rel=ACCURACY)
    assert found.l1_norm == pytest.approx(-value, rel=ACCURACY)


def test_a_scalar_counts_as_one_element(mode):
    found = sketch_in(mode, np.float32(3.0))

    assert found.count == 1
    assert found.min == found.max == 3.0


def test_the_shape_of_a_tensor_does_not_matter(mode):
    values = FLOAT32["both signs"]
    flat, shaped = sketch_in(mode, values), sketch_in(mode, values.reshape([5, 2, 5]))

    assert shaped.aggregates == flat.aggregates
    assert np.all(shaped.counts == flat.counts)


def test_a_tensor_of_unknown_shape_is_supported():
    unknown = tf.function(sketch, input_signature=[tf.TensorSpec(None, tf.float32)])
    found = Sketch.of(*unknown(tf.ones([2, 3])))

    assert (found.count, found.sum) == (6, 6.0)


@pytest.mark.parametrize("constant", [0.0, 1e-30, 1e30])
def test_the_norm_of_a_constant_is_right_under_xla(constant):
    # XLA rewrites (a*b)*(a*b) to (b*b)*(a*a) where a is a constant, which must not overflow.
    @tf.function(jit_compile=True)
    def norm():
        return sketch(tf.fill([1], constant)).aggregates[AGGREGATES.index("finite_norm")]

    assert norm().numpy() == pytest.approx(constant, rel=1e-6)

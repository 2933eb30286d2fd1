"""How much the units of a kernel differ."""

import math

import keras
import numpy as np
import pytest

from vg_keras.capture.unit_spread import unit_spread, unit_spreads


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (np.full([3, 4], 0.1), 0.0),
        ([[1.0, 1.0], [2.0, 2.0]], 0.0),
        (np.zeros([3, 4]), 0.0),
        ([[1.0, -1.0]], 1.0),
        ([[3.0, 1.0]], math.sqrt(2 / 10)),
        ([[3e-300, 1e-300]], math.sqrt(2 / 10)),
        ([[3e300, 1e300]], math.sqrt(2 / 10)),
        ([[math.nan, 1.0]], math.nan),
        ([[math.inf, 1.0]], math.nan),
    ],
)
def test_the_spread_is_relative_to_the_norm(kernel, expected):
    assert unit_spread(np.array(kernel)) == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_only_kernels_of_several_units_have_a_spread():
    shapes = {"kernel": [3, 4], "conv": [2, 2, 3, 5], "bias": [4], "single": [3, 1]}
    variables = {path: keras.Variable(np.ones(shape)) for path, shape in shapes.items()}

    assert unit_spreads(variables) == {"kernel": 0.0, "conv": 0.0}


def test_a_kernel_in_half_precision_is_measured():
    kernel = keras.Variable(np.array([[3.0, 1.0]]), dtype="float16")

    assert unit_spreads({"kernel": kernel}) == {"kernel": pytest.approx(math.sqrt(0.2))}

"""Layers are compared with their counterparts, at one step of each training run."""

import math

import numpy as np
import pytest

from vg_keras.comparison import compare
from vg_keras.profiles import Profile


def profile(labels, *rows):
    values = np.array(rows, float)
    recorded = np.array([[value != -1 for value in row] for row in rows])
    steps = np.arange(0, 10 * len(rows), 10)
    values[~recorded] = np.nan
    return Profile("gradients", steps, tuple(labels), values, recorded)


def test_the_last_records_are_compared():
    found = compare([profile(["01_a", "02_b"], [9, 9], [1, 4]), profile(["01_a", "02_b"], [2, 1])])

    assert found.steps == (10, 0)
    assert found.is_by_name
    assert [layer.label for layer in found.layers] == ["01_a", "02_b"]
    assert [layer.values for layer in found.layers] == [(1, 2), (4, 1)]
    assert [layer.ratio for layer in found.layers] == [2, 0.25]


def test_a_layer_without_counterpart_has_no_label_and_no_value_there():
    found = compare([profile(["01_a", "02_b"], [1, 2]), profile(["01_b"], [3])])
    first, second = found.layers

    assert first.labels == ("01_a", None)
    assert math.isnan(first.values[1])
    assert math.isnan(first.ratio)
    assert second.labels == ("02_b", "01_b")
    assert second.values == (2, 3)


def test_layers_that_were_renamed_are_matched_by_position():
    found = compare([profile(["01_a"], [1]), profile(["01_z"], [2])])

    assert not found.is_by_name
    assert found.layers[0].labels == ("01_a", "01_z")


@pytest.mark.parametrize(
    ("value", "expected", "ratio"),
    [(math.nan, math.inf, math.inf), (-1, math.nan, math.nan), (0, 0, 0), (2, 2, 2)],
)
def test_a_ratio_says_what_became_of_the_first_value(value, expected, ratio):
    (layer,) = compare([profile(["a"], [1]), profile(["a"], [value])]).layers

    assert np.array_equal(layer.values[1], expected, equal_nan=True)
    assert np.array_equal(layer.ratio, ratio, equal_nan=True)


@pytest.mark.parametrize("value", [0, math.nan, -1])
def test_there_is_no_ratio_to_what_is_no_magnitude(value):
    (layer,) = compare([profile(["a"], [value]), profile(["a"], [1])]).layers

    assert math.isnan(layer.ratio)


def test_the_last_record_that_is_not_later_is_taken():
    found = compare([profile(["a"], [1], [2]), profile(["a"], [3])], step=9)

    assert found.steps == (0, 0)
    with pytest.raises(ValueError, match="before the first recorded step, 0"):
        compare([profile(["a"], [1])], step=-1)

"""The quantities of the tab, and what they read."""

import math

import numpy as np
from scripted_records import layer, model_of

from vg_keras.layer_quantities import DEFAULT, LAYER_QUANTITIES
from vg_keras.log.numbers import Numbers
from vg_keras.quantities import BY_NAME, CURVES, SKETCHES


def test_the_menu_begins_with_the_usual_quantities_and_has_every_sketch():
    assert list(LAYER_QUANTITIES)[:6] == [
        "activation_gradients",
        "gradients",
        "activations",
        "update_ratio",
        "saturated_units",
        "dead_units",
    ]
    assert {quantity.name for quantity in SKETCHES} <= LAYER_QUANTITIES.keys()
    assert next(iter(LAYER_QUANTITIES)) == DEFAULT
    assert all(name in BY_NAME or name in CURVES for name in LAYER_QUANTITIES)


def test_only_fractions_have_a_linear_scale_and_only_ratios_no_histograms():
    assert [entry.name for entry in LAYER_QUANTITIES.values() if entry.scale == "fraction"] == [
        "saturated_units",
        "dead_units",
    ]
    assert [entry.name for entry in LAYER_QUANTITIES.values() if entry.sketch is None] == [
        "update_ratio"
    ]


def test_kernels_are_shown_of_variables_or_all_if_there_are_none():
    biases = model_of(layer("a", "bias", output_shape=(None, 3)))

    assert LAYER_QUANTITIES["gradients"].paths(biases) == ("a/bias",)
    assert LAYER_QUANTITIES["activations"].paths(biases) == ("a",)


def test_an_update_ratio_is_missing_if_the_variable_was_zero_and_infinite_if_it_is_not_finite():
    updates = np.array([1.0, 1.0, math.nan, math.inf, 1.0, math.nan])
    weights = np.array([2.0, 0.0, 2.0, 2.0, math.nan, math.nan])
    read = LAYER_QUANTITIES["update_ratio"].read
    found = read(Numbers(0, {}, {}, {"update_norms": updates, "weight_norms": weights}, {}))

    assert np.array_equal(
        found, [0.5, math.nan, math.inf, math.inf, math.nan, math.nan], equal_nan=True
    )
    assert read(Numbers(0, {}, {}, {"update_norms": updates}, {})) is None

"""The quantities of the tab, and what they read."""

import math

import numpy as np
from scripted_records import layer, model_of, training_of

from vg_keras.layer_quantities import DEFAULT, LAYER_QUANTITIES
from vg_keras.log.format import encode_record
from vg_keras.log.numbers import Numbers, parse_numbers
from vg_keras.profiles import profile
from vg_keras.quantities import BY_NAME, CURVES, SKETCHES
from vg_keras.record import Record


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
    updates = np.array([1.0, 1.0, math.inf, math.inf, 1.0, math.inf, math.nan])
    weights = np.array([2.0, 0.0, 2.0, 0.0, math.inf, math.inf, math.nan])
    read = LAYER_QUANTITIES["update_ratio"].read
    found = read(Numbers(0, {}, {}, {"update_norms": updates, "weight_norms": weights}, {}))

    assert np.array_equal(found, [0.5, math.nan, *[math.inf] * 4, math.nan], equal_nan=True)
    assert read(Numbers(0, {}, {}, {"update_norms": updates}, {})) is None


def test_figures_and_tables_agree_on_which_update_ratios_are_defined():
    pairs = [
        (1.0, 2.0),
        (1.0, 0.0),
        (0.0, 0.0),
        (math.nan, 2.0),
        (math.nan, 0.0),
        (math.inf, 0.0),
        (math.nan, math.nan),
    ]
    model = model_of(*(layer(f"layer_{number}", "kernel") for number in range(len(pairs) + 1)))
    updates, weights = (
        dict(zip(model.variables, of, strict=False)) for of in zip(*pairs, strict=True)
    )
    record = Record(0, 0.0, {}, update_norms=updates, weight_norms=weights)
    numbers = parse_numbers(encode_record(record, model), model)
    in_tables = LAYER_QUANTITIES["update_ratio"].read(numbers)
    in_figures = profile(training_of(record, model=model), "update_ratio")
    value_of = {path: in_figures.value(0, i) for i, path in enumerate(in_figures.paths)}

    assert np.array_equal(
        in_tables, [value_of.get(path, math.nan) for path in model.variables], equal_nan=True
    )
    assert in_tables.tolist()[3:7] == [math.inf] * 4

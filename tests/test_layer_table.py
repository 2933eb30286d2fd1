"""One row of numbers for each layer."""

import dataclasses
import math
from dataclasses import astuple

import pytest
from scripted_records import MODEL, full_record, layer, model_of, sketch_of

from vg_keras.layer_table import layer_table
from vg_keras.record import Record


def test_a_row_holds_the_numbers_of_the_record():
    (row,) = layer_table(MODEL, full_record())

    assert (row.path, row.type) == ("dense", "Dense")
    assert row.activation_gradient_norm == pytest.approx(math.sqrt(3))
    assert row.gradient_norm == 5
    assert row.update_ratio == 0.25
    assert row.activation_rms == pytest.approx(7 / math.sqrt(3))
    assert (row.saturated_units, row.dead_units) == (0.25, 0.125)


def test_what_was_not_recorded_is_nan():
    rows = layer_table(model_of(layer("other", "kernel"), layer("activation")), full_record())

    assert [row.path for row in rows] == ["other", "activation"]
    assert all(math.isnan(number) for row in rows for number in astuple(row)[2:])


def test_what_is_not_finite_is_infinite():
    diverged = sketch_of([math.nan, 1.0])
    record = dataclasses.replace(
        full_record(),
        activations={"dense": diverged},
        activation_gradients={"dense": diverged},
        update_norms={"dense/kernel": math.nan},
    )
    (row,) = layer_table(MODEL, record)

    assert row.activation_gradient_norm == row.update_ratio == row.activation_rms == math.inf


def test_a_variable_that_was_zero_has_no_update_ratio():
    record = dataclasses.replace(full_record(), weight_norms={"dense/kernel": 0.0})
    (row,) = layer_table(MODEL, record)

    assert math.isnan(row.update_ratio)


def test_the_kernel_counts_also_if_another_variable_comes_first():
    described = layer("dense", "bias", "kernel")
    shapes = [(3,), (2, 3)]
    variables = tuple(
        dataclasses.replace(variable, shape=shape)
        for variable, shape in zip(described.variables, shapes, strict=True)
    )
    model = model_of(dataclasses.replace(described, variables=variables))
    norms = {"dense/bias": 2.0, "dense/kernel": 4.0}
    record = Record(
        0,
        0.0,
        {path: sketch_of([norm]) for path, norm in norms.items()},
        update_norms=dict.fromkeys(norms, 1.0),
        weight_norms=norms,
    )
    (row,) = layer_table(model, record)

    assert (row.gradient_norm, row.update_ratio) == (4, 0.25)

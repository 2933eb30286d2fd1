"""One row of numbers for each layer."""

import math
from dataclasses import astuple

import pytest
from scripted_records import MODEL, full_record, layer, model_of

from vg_keras.layer_table import layer_table


def test_a_row_holds_the_numbers_of_the_record():
    (row,) = layer_table(MODEL, full_record())

    assert (row.path, row.type) == ("dense", "Dense")
    assert row.gradient_norm == pytest.approx(math.sqrt(3))
    assert row.update_ratio == 0.25
    assert row.activation_rms == pytest.approx(7 / math.sqrt(3))
    assert (row.saturated_units, row.dead_units) == (0.25, 0.125)


def test_what_was_not_recorded_is_nan():
    rows = layer_table(model_of(layer("other", "kernel"), layer("activation")), full_record())

    assert [row.path for row in rows] == ["other", "activation"]
    assert all(math.isnan(number) for row in rows for number in astuple(row)[2:])

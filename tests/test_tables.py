"""Records as a pandas table."""

import sys

import pytest
from scripted_records import full_record

from vg_keras.tables import to_pandas


def test_each_row_is_a_step_and_a_variable_a_layer_or_the_model():
    table = to_pandas([full_record(3), full_record(4)])

    assert table.index.names == ["step", "path"]
    assert list(table.index) == [
        (3, "dense/kernel"),
        (3, "dense"),
        (3, ""),
        (4, "dense/kernel"),
        (4, "dense"),
        (4, ""),
    ]


def test_the_numbers_equal_the_records():
    record = full_record()
    table = to_pandas([record])
    of_variable, of_layer = table.loc[3, "dense/kernel"], table.loc[3, "dense"]

    assert of_variable["gradients_norm"] == 5.0
    assert of_variable["update_ratio"] == 0.25
    assert of_layer["saturated_units"] == 0.25
    assert of_layer["activations_zeros"] == 2
    assert of_layer[["gradients_norm", "update_ratio"]].isna().all()
    assert table.loc[3, ""]["loss"] == 2.25
    assert (table["wall_time"] == 12.5).all()


def test_no_records_give_an_empty_table():
    assert to_pandas([]).empty


def test_pandas_is_required_only_when_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        to_pandas([full_record()])

"""The catalog of quantities, and the record, the payload and the charts derived from it."""

import dataclasses
import math

import pytest
from scripted_records import full_record

from vg_keras.log.format import FORMAT_VERSION
from vg_keras.quantities import BY_NAME, CHARTS, NUMBERS, QUANTITIES, SKETCHES
from vg_keras.record import Record
from vg_keras.sketch.sketch import Sketch

STORED = [quantity for quantity in QUANTITIES if quantity.number is not None]

ADD_IT = "Add a value to full_record() in tests/scripted_records.py."


def test_a_record_has_exactly_one_attribute_per_stored_quantity():
    fields = {field.name for field in dataclasses.fields(Record)}

    assert fields - {"step", "wall_time", "without_gradient"} == {q.name for q in STORED}


def test_each_quantity_is_listed_once():
    assert len(BY_NAME) == len(QUANTITIES)
    assert len(CHARTS) == sum(len(quantity.charts) for quantity in QUANTITIES)
    assert {*SKETCHES, *NUMBERS} == set(STORED)


def test_no_quantity_is_newer_than_the_format():
    assert max(quantity.since for quantity in QUANTITIES) <= FORMAT_VERSION


@pytest.mark.parametrize("quantities", [SKETCHES, NUMBERS])
def test_each_has_a_unique_number_on_disk(quantities):
    assert sorted(quantity.number for quantity in quantities) == list(range(len(quantities)))


@pytest.mark.parametrize("quantity", STORED, ids=lambda quantity: quantity.name)
def test_the_form_matches_the_content_of_a_record(quantity):
    assert getattr(full_record(), quantity.name), ADD_IT
    (value,) = quantity.values_in(full_record()).values()

    assert isinstance(value, {"sketch": Sketch, "number": float, "count": int}[quantity.form])


@pytest.mark.parametrize("quantity", STORED, ids=lambda quantity: quantity.name)
def test_the_path_is_a_variables_or_a_layers(quantity):
    assert getattr(full_record(), quantity.name), ADD_IT
    (path,) = quantity.values_in(full_record())

    assert path == {"variables": "dense/kernel", "layers": "dense", "model": ""}[quantity.of]


@pytest.mark.parametrize("kind", CHARTS)
def test_a_chart_reads_a_number_if_and_only_if_it_is_a_curve(kind):
    quantity, chart = CHARTS[kind]
    path = {"variables": "dense/kernel", "layers": "dense", "model": ""}[quantity.of]

    assert (chart.read is not None) == (chart.form.endswith("scalar") and kind != "decades_lost")
    if chart.read is not None:
        assert math.isfinite(chart.read(full_record(), path))
    if chart.form.endswith("histogram"):
        assert quantity.form == "sketch"
    assert chart.description.endswith(".")


def test_the_default_groups_sort_first_and_by_importance():
    prefixes = [(chart.is_default, chart.prefix) for _, chart in CHARTS.values()]
    groups = {prefix.partition("/")[0] for is_default, prefix in prefixes if is_default}

    assert sorted({prefix.partition("/")[0] for _, prefix in prefixes})[:4] == [
        "1_gradient_flow",
        "2_log10_activation_gradient_norm",
        "3_log10_update_ratio",
        "4_log10_gradients",
    ]
    assert len(groups) == 4
    assert all(prefix[0].isdigit() == is_default for is_default, prefix in prefixes)


def test_no_two_kinds_of_charts_have_the_same_tags():
    assert len({chart.prefix for _, chart in CHARTS.values()}) == len(CHARTS)

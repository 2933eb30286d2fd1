"""The numbers of a record are those of the whole record, bit for bit."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scripted_records import MODEL, full_record, layer, model_of, sketch_of

from vg_keras import follow
from vg_keras.log import format as log_format
from vg_keras.log.numbers import parse_numbers
from vg_keras.quantities import NUMBERS, SKETCHES
from vg_keras.record import Record

DATA = Path(__file__).parent / "data"


def assert_same(numbers, record, model):
    """Checks the numbers against those of the parsed record."""
    assert numbers.step == record.step
    for quantity in SKETCHES:
        sketches = getattr(record, quantity.name)
        if not sketches:
            assert quantity.name not in numbers.rms
            continue
        paths = model.outputs if quantity.of == "layers" else model.variables
        nonfinite = [path in sketches and sketches[path].nonfinite > 0 for path in paths]
        for found, name in ((numbers.norms, "norm"), (numbers.rms, "rms")):
            expected = [getattr(sketches[p], name) if p in sketches else math.nan for p in paths]
            expected = np.where(nonfinite, np.inf, expected)
            assert np.array_equal(found[quantity.name], expected, equal_nan=True)
    for quantity in NUMBERS:
        if quantity.of == "model":
            assert numbers.of_model.get(quantity.name) == quantity.values_in(record).get("")
            continue
        if not quantity.values_in(record):
            assert quantity.name not in numbers.values
            continue
        paths = model.outputs if quantity.of == "layers" else model.variables
        values = quantity.values_in(record)
        expected = [float(values[path]) if path in values else math.nan for path in paths]
        expected = [
            math.inf if path in values and not math.isfinite(value) else value
            for path, value in zip(paths, expected, strict=True)
        ]
        assert np.array_equal(numbers.values[quantity.name], expected, equal_nan=True)


def test_the_numbers_are_those_of_the_record():
    record = full_record()

    assert_same(parse_numbers(log_format.encode_record(record, MODEL), MODEL), record, MODEL)


def test_a_record_without_sketches_has_numbers():
    record = Record(3, 0.0, {}, dead_units={"dense": math.nan}, loss=2.0)

    assert_same(parse_numbers(log_format.encode_record(record, MODEL), MODEL), record, MODEL)


def test_missing_non_finite_zero_and_empty_are_told_apart():
    model = model_of(*(layer(f"dense_{i}", "kernel") for i in range(5)))
    values = {0: [math.nan, 1.0], 1: [0.0, 0.0], 3: [], 4: [3.0, 4.0]}
    record = Record(7, 0.0, {f"dense_{i}/kernel": sketch_of(v) for i, v in values.items()})
    numbers = parse_numbers(log_format.encode_record(record, model), model)
    rms = numbers.rms["gradients"]

    assert_same(numbers, record, model)
    assert rms[0] == math.inf
    assert rms[1] == 0
    assert np.isnan(rms[[2, 3]]).all()
    assert rms[4] == pytest.approx(math.sqrt(12.5))


@pytest.mark.parametrize("version", [1, 2])
def test_logs_of_earlier_versions_have_the_same_numbers(version):
    follower = follow(DATA / f"events.out.tfevents.format_version_{version}")
    found = list(follower.poll_stored())

    assert found
    for stored in found:
        model = stored.training.model
        assert_same(stored.parsed(parse_numbers), stored.parsed(log_format.parse_record), model)


def test_damage_is_reported():
    payload = log_format.encode_record(dataclasses.replace(full_record()), MODEL)

    with pytest.raises(log_format.CorruptPayloadError, match="The record is damaged: "):
        parse_numbers(payload[:40], MODEL)
    with pytest.raises(log_format.CorruptPayloadError, match="The record is damaged: "):
        parse_numbers(payload, model_of())

"""Histograms over the steps have common bins, and account for every element."""

import math

import numpy as np
import pytest
from flow_logs import record_at, training, write
from scripted_records import sketch_of

from vg_keras.layer_quantities import LAYER_QUANTITIES
from vg_keras.plugin.flow_view import Chosen, Window
from vg_keras.plugin.histogram_view import MAX_BINS, histogram
from vg_keras.plugin.open_logs import OpenLog
from vg_keras.record import Record


def histogram_in(directory):
    """The histogram of the first kernel's gradient."""
    log = OpenLog(str(directory))
    log.read_on(60)
    one = Chosen("", log, training())
    return histogram(one, LAYER_QUANTITIES["gradients"], "hidden_1/kernel", Window(0, None, 100))


def histogram_of(directory, *values):
    """The histogram of a kernel with these gradients, one after another."""
    records = [Record(i, 0.0, {"hidden_1/kernel": sketch_of(v)}) for i, v in enumerate(values)]
    write(directory, records)
    return histogram_in(directory)


def test_fractions_are_those_of_numpy_between_the_edges(tmp_path):
    generator = np.random.default_rng(0)
    values = [generator.normal(scale=s, size=500).astype("f") for s in (1, 1e-3)]
    found = histogram_of(tmp_path, *values)
    edges = 10 ** np.array(found["edges"])
    for value, fractions in zip(values, found["fractions"], strict=True):
        counts, _ = np.histogram(np.abs(value), edges)
        assert fractions == pytest.approx(counts / 500, abs=0.01)  # edges have four digits
        assert sum(fractions) == pytest.approx(1, abs=1e-3)
    assert found["steps"] == [0, 1]
    assert len(found["edges"]) <= MAX_BINS + 1


def test_zeros_and_non_finite_elements_have_fractions_of_their_own(tmp_path):
    found = histogram_of(tmp_path, [0, 0, 0, 1], [math.nan, math.inf, -1, 1], [0, 0])

    assert found["zeros"] == [0.75, 0, 1]
    assert found["nonfinite"] == [0, 0.5, 0]
    assert [sum(row) for row in found["fractions"]] == [0.25, 0.5, 0]


def test_without_a_nonzero_element_there_are_no_bins(tmp_path):
    found = histogram_of(tmp_path, [0, 0], [math.nan])

    assert found["edges"] == []
    assert found["fractions"] == [[], []]


def test_any_magnitude_has_a_bin(tmp_path):
    found = histogram_of(tmp_path, [1e-45, 3e38, -1e-20])

    assert len(found["edges"]) <= MAX_BINS + 2
    assert found["edges"][0] == pytest.approx(-44.85, abs=0.01)
    assert found["edges"][-1] >= math.log10(3e38)
    assert sum(found["fractions"][0]) == pytest.approx(1, abs=1e-3)


def test_records_without_the_layer_are_left_out(tmp_path):
    write(tmp_path, [record_at(0, [None, 1, 1]), record_at(5, [1, 1, 1])])

    assert histogram_in(tmp_path)["steps"] == [5]

"""Each way to train is recorded with the numbers of a twin without the monitor.

Each way is a row of the table in docs/ways_to_train.md, and each test here is a column.
"""

import functools

import keras
import numpy as np
import pytest
from kinds_of_training import KINDS_OF_TRAINING
from layers_and_models import LAYERS_AND_MODELS
from reference import assert_is_sketch_of
from twin import expected_steps
from way import BATCH_SIZE

from vg_keras import GradientMonitor

WAYS = {way.name: way for way in (*LAYERS_AND_MODELS, *KINDS_OF_TRAINING)}
STEPS = (0, 2)


@pytest.fixture(params=WAYS)
def way(request):
    way = WAYS[request.param]
    if not way.is_optimized:
        request.getfixturevalue("graphs_as_traced")
    return way


@functools.cache
def recorded_and_expected(name):
    """Pairs of a way's records and its twin's steps."""
    way = WAYS[name]
    expected = expected_steps(way, STEPS)
    monitor = GradientMonitor(None, "batch")
    rows = slice(0, BATCH_SIZE * (max(STEPS) + 1))
    x, y, weight = (
        None if part is None else keras.tree.map_structure(lambda values: values[rows], part)
        for part in (way.x, way.y, way.sample_weight)
    )
    how = {"batch_size": BATCH_SIZE, "shuffle": False, "verbose": 0, "sample_weight": weight}
    way.monitored_model().fit(x, y, callbacks=[monitor], **{**how, **way.fit})
    records = {record.step: record for record in monitor.records}
    return [(records[step], expected[step]) for step in STEPS]


def skip_if_missing(way, column):
    if column in way.missing:
        pytest.skip(way.missing[column])


def test_gradients(way):
    skip_if_missing(way, "gradients")
    for record, expected in recorded_and_expected(way.name):
        assert set(record.gradients) == set(expected.gradients)
        for path, gradient in expected.gradients.items():
            assert_is_sketch_of(record.gradients[path], gradient, way.rel)


def expected_output(outputs, path):
    """Returns the outputs of the layer of that path; a layer without weights goes by its name."""
    return outputs[path] if path in outputs else outputs[path.rpartition("/")[2]]


def test_activations(way):
    skip_if_missing(way, "activations")
    for record, expected in recorded_and_expected(way.name):
        assert record.activations
        for path, sketch in record.activations.items():
            assert_is_sketch_of(sketch, expected_output(expected.outputs, path), way.rel)


def test_activation_gradients(way):
    skip_if_missing(way, "activation gradients")
    for record, expected in recorded_and_expected(way.name):
        assert record.activation_gradients
        for path, sketch in record.activation_gradients.items():
            assert_is_sketch_of(sketch, expected_output(expected.output_gradients, path), way.rel)


def test_updates(way):
    skip_if_missing(way, "updates")
    for record, expected in recorded_and_expected(way.name):
        assert set(record.update_norms) == set(expected.gradients)
        for path in record.update_norms:
            before, after = expected.before[path], expected.after[path]
            weight, update = np.linalg.norm(before), np.linalg.norm(after - before)
            # Both end in float32, so every update includes the rounding of the weights.
            rounding = 1e-6 * max(weight, np.linalg.norm(after))
            assert record.weight_norms[path] == pytest.approx(weight, rel=way.rel, abs=rounding)
            assert record.update_norms[path] == pytest.approx(update, rel=way.rel, abs=rounding)

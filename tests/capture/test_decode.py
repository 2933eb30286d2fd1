"""Decoding rows that are filled by hand: order, replicas, updates, units."""

import dataclasses
import math

import keras
import numpy as np
import pytest
from keras import layers
from small_models import reset_keras

from vg_keras.capture.buffer import NUM_EXTRAS, Rows
from vg_keras.capture.decode import Decoder
from vg_keras.capture.describe import describe
from vg_keras.capture.plan import (
    ACTIVATION,
    ACTIVATION_GRADIENT,
    DATA_LOSS_GRADIENT,
    GRADIENT,
    REGULARIZATION_GRADIENT,
    WEIGHT,
    Choice,
    Plan,
)
from vg_keras.statistics.active_units import MAX_UNITS
from vg_keras.statistics.tensor_sketch import sketch

KERNEL, BIAS = "model/a/kernel", "model/a/bias"
A, B = "model/a", "model/b"


@pytest.fixture
def plan():
    reset_keras()
    model = keras.Sequential(
        [
            keras.Input([3]),
            layers.Dense(4, "relu", name="a", kernel_regularizer="l2"),
            layers.Dense(2, "tanh", name="b", use_bias=False),
        ],
        name="model",
    )
    return Plan(model, Choice(weights=True))


def maker_of(plan, units=4, called=()):
    model = next(layer for layer, path in plan.paths.items() if path == "model")
    shapes = {A: (None, units), B: (None, 2)}
    called = [id(plan.layers[path].layer) for path in called]
    return Decoder(plan, describe(model, plan.variables, plan.paths, shapes, called))


def rows_of(plan, filled, step=5, active=()):
    """Returns the rows of one replica; `filled` maps kind and path to values and extras."""
    counts = np.zeros([len(plan.row_of), 2048], np.int64)
    numbers = np.zeros([len(plan.row_of), 9 + NUM_EXTRAS])
    known = np.zeros([len(plan.row_of), 1 + NUM_EXTRAS], np.bool_)
    for key, (values, *extras) in filled.items():
        row = plan.row_of[key]
        counts[row], numbers[row, :8] = sketch(np.float32(values))
        numbers[row, 8] = step
        numbers[row, 9 : 9 + len(extras)] = [extra or 0.0 for extra in extras]
        known[row, : 1 + len(extras)] = [True, *(extra is not None for extra in extras)]
    masks = np.zeros([len(plan.mask_of), MAX_UNITS], np.bool_)
    masks[0, list(active)] = True
    return Rows(counts, numbers, known, masks)


def norms_in(sketches):
    return {path: of_path.norm for path, of_path in sketches.items()}


def test_each_kind_of_row_is_decoded_into_its_field(plan):
    rows = rows_of(
        plan,
        {
            (GRADIENT, KERNEL): ([1.0], 0.5, 4.0),
            (DATA_LOSS_GRADIENT, KERNEL): ([2.0],),
            (REGULARIZATION_GRADIENT, KERNEL): ([3.0],),
            (WEIGHT, KERNEL): ([4.0],),
            (ACTIVATION, B): ([5.0], 0.25, 8),
            (ACTIVATION_GRADIENT, B): ([6.0],),
        },
    )
    record = maker_of(plan).record([rows], [], 12.5)

    assert (record.step, record.wall_time) == (5, 12.5)
    assert norms_in(record.gradients) == {KERNEL: 1}
    assert norms_in(record.data_loss_gradients) == {KERNEL: 2}
    assert norms_in(record.regularization_gradients) == {KERNEL: 3}
    assert norms_in(record.weights) == {KERNEL: 4}
    assert norms_in(record.activations) == {B: 5}
    assert norms_in(record.activation_gradients) == {B: 6}
    assert (record.update_norms, record.weight_norms) == ({KERNEL: 0.5}, {KERNEL: 4})
    assert (record.examples, record.saturated_units) == ({B: 8}, {B: 0.25})
    assert (record.dead_units, record.dead_unit_examples) == ({}, {})


def test_unfilled_rows_are_left_out(plan):
    record = maker_of(plan).record([rows_of(plan, {(GRADIENT, BIAS): ([1.0], 0.5, 2)})], [], 0.0)
    mappings = {
        field.name: list(getattr(record, field.name))
        for field in dataclasses.fields(record)
        if field.name not in ("step", "wall_time") and getattr(record, field.name)
    }

    assert mappings == {"gradients": [BIAS], "update_norms": [BIAS], "weight_norms": [BIAS]}


def test_without_updates_there_are_no_update_norms(plan):
    plan.choice = Choice(updates=False)
    record = maker_of(plan).record([rows_of(plan, {(GRADIENT, BIAS): ([1.0],)})], [], 0.0)

    assert (record.update_norms, record.weight_norms) == ({}, {})


def test_a_diverged_update_is_not_left_out(plan):
    rows = rows_of(plan, {(GRADIENT, BIAS): ([1.0], math.nan, 3.0)})
    record = maker_of(plan).record([rows], [], 0.0)

    assert record.update_norms == pytest.approx({BIAS: math.nan}, nan_ok=True)
    assert record.weight_norms == {BIAS: 3}


def test_results_are_in_the_order_of_the_calls(plan):
    kinds = {GRADIENT: plan.variables, WEIGHT: plan.variables, ACTIVATION: plan.layers}
    filled = {(k, p): ([1.0], 0.5, 8) for k, paths in kinds.items() for p in paths}
    record = maker_of(plan, called=[B, A]).record([rows_of(plan, filled)], [], 0.0)

    in_order = ["model/b/kernel", KERNEL, BIAS]
    assert [list(m) for m in (record.gradients, record.weights)] == [in_order] * 2
    assert list(record.update_norms) == list(record.weight_norms) == in_order
    assert list(record.activations) == list(record.examples) == [B, A]
    assert list(record.saturated_units) == [B, A]


def test_variables_without_a_gradient_are_listed_in_model_order(plan):
    rows = rows_of(plan, {(GRADIENT, BIAS): ([1.0],)})
    record = maker_of(plan).record([rows], {"model/b/kernel", KERNEL, "unknown"}, 0.0)

    assert record.without_gradient == (KERNEL, "model/b/kernel")


def two_replicas(plan, *examples, shares=(0.5, 0.5), active=((), ())):
    return [
        rows_of(
            plan,
            {
                (GRADIENT, KERNEL): ([7.0], 0.5, 2.0),
                (WEIGHT, KERNEL): ([9.0],),
                (ACTIVATION, A): (np.full([of_replica, 4], 3.0), None, of_replica),
                (ACTIVATION, B): (np.full([of_replica, 2], 3.0), share, of_replica),
                (ACTIVATION_GRADIENT, B): (np.full([of_replica, 2], 1.0),),
            },
            active=units,
        )
        for of_replica, share, units in zip(examples, shares, active, strict=True)
    ]


def test_replicas_share_their_gradients_and_add_up_their_outputs(plan):
    record = maker_of(plan).record(two_replicas(plan, 8, 4), [], 0.0)

    assert norms_in(record.gradients) == {KERNEL: 7}
    assert norms_in(record.weights) == {KERNEL: 9}
    assert record.update_norms == {KERNEL: 0.5}
    assert {p: s.count for p, s in record.activations.items()} == {A: 12 * 4, B: 12 * 2}
    assert record.activations[B].norm == pytest.approx(math.sqrt(24 * 9))
    assert record.activation_gradients[B].sum == 24
    assert record.examples == {A: 12, B: 12}


def test_saturation_weights_replicas_by_their_examples(plan):
    record = maker_of(plan).record(two_replicas(plan, 6, 2, shares=(1.0, 0.0)), [], 0.0)

    assert record.saturated_units == {B: 0.75}


def test_saturation_ignores_a_replica_without_examples(plan):
    record = maker_of(plan).record(two_replicas(plan, 6, 0, shares=(0.5, math.nan)), [], 0.0)

    assert record.saturated_units == {B: 0.5}


def test_without_examples_saturation_is_not_reported(plan):
    record = maker_of(plan).record(two_replicas(plan, 0, 0, shares=(math.nan, math.nan)), [], 0.0)

    assert record.saturated_units == {}
    assert record.examples == {A: 0, B: 0}


def test_a_unit_is_dead_only_if_silent_in_every_replica(plan):
    maker = maker_of(plan)
    maker.record(two_replicas(plan, 8, 4, active=([0], [])), [], 0.0)
    record = maker.record(two_replicas(plan, 8, 2, active=([], [2])), [], 0.0)

    assert record.dead_units == {A: 0.5}
    assert record.dead_unit_examples == {A: 22}


def test_dead_units_are_counted_among_existing_units_only(plan):
    maker = maker_of(plan, units=MAX_UNITS + 10)
    maker.record(two_replicas(plan, 8, 4), [], 0.0)
    record = maker.record(two_replicas(plan, 8, 4, active=(range(MAX_UNITS // 4), [])), [], 0.0)

    assert record.dead_units == {A: 0.75}


@pytest.mark.parametrize("units", [None, 0])
def test_a_layer_with_unknown_units_is_not_reported(plan, units):
    maker = maker_of(plan, units=units)
    maker.record(two_replicas(plan, 8, 4), [], 0.0)

    assert maker.record(two_replicas(plan, 8, 4), [], 0.0).dead_units == {}


def test_a_record_without_a_layer_does_not_change_its_window(plan):
    maker = maker_of(plan)
    maker.record(two_replicas(plan, 8, 4), [], 0.0)
    between = maker.record([rows_of(plan, {(GRADIENT, KERNEL): ([1.0],)})], [], 0.0)
    record = maker.record(two_replicas(plan, 8, 4), [], 0.0)

    assert between.dead_units == {}
    assert record.dead_unit_examples == {A: 24}

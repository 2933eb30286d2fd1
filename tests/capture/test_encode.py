"""Observations of a step are encoded as buffer rows: the right tensors, numbers and units."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import reset_keras

from vg_keras.capture.buffer import Buffer
from vg_keras.capture.calls import Call
from vg_keras.capture.encode import Measurement
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

A, B, E = "model/a/kernel", "model/b/kernel", "model/e/embeddings"
RELU, TANH = "model/a", "model/b"


@pytest.fixture
def fixed_seed():
    """Leaves the seed as it is: with a new one, TensorFlow optimizes all functions again."""


@pytest.fixture(scope="module")
def model():
    reset_keras()
    return keras.Sequential(
        [
            keras.Input([2]),
            layers.Embedding(5, 2, name="e"),
            layers.Flatten(),
            layers.Dense(3, "relu", name="a", use_bias=False, kernel_regularizer="l2"),
            layers.Dense(2, "tanh", name="b", use_bias=False),
        ],
        name="model",
    )


def call(value, gradient=None, **how):
    gradient = None if gradient is None else tf.constant(gradient, tf.float32)
    return Call(tf.constant(value, tf.float32), gradient=gradient, **how)


def stored(model, weights=False, num_slots=1, slot=0, mode="eager", **seen):
    """Returns the plan of a model, and the rows that a measurement fills."""
    plan = Plan(model, Choice(weights=weights))
    buffer = Buffer(len(plan.row_of), len(plan.mask_of), num_slots)
    nothing = {name: {} for name in ("gradients", "penalties", "calls", "before", "after")}

    def store():
        # A constant in the test must not be a constant to XLA.
        measurement = Measurement(tf.constant(6, tf.int64), **{**nothing, "scale": None, **seen})
        measurement.store(slot, plan, buffer)

    {
        "eager": store,
        "graph": tf.function(store, autograph=False),
        "xla": tf.function(store, autograph=False, jit_compile=True),
    }[mode]()
    ((rows,),) = buffer.read()
    return plan, rows


def norms_of(plan, rows):
    """Returns the norms of all filled rows."""
    found = {key: row for key, row in plan.row_of.items() if rows.filled[row]}
    sketches = rows.sketches(list(found.values()))
    return dict(zip(found, [sketch.norm for sketch in sketches], strict=True))


@pytest.fixture(params=["eager", "graph", "xla"])
def mode(request):
    return request.param


def test_gradients_are_sketched_in_their_rows(model, mode):
    gradients = {B: tf.constant([[3.0, 0.0]]), A: tf.constant([[5.0], [12.0]])}
    plan, rows = stored(model, gradients=gradients, mode=mode)

    assert rows.step == 6
    assert norms_of(plan, rows) == {(GRADIENT, A): 13, (GRADIENT, B): 3}


def test_every_tensor_of_a_step_is_sketched_in_its_row(model, mode):
    kinds = {
        "gradients": {A: tf.fill([4, 3], 4.0)},
        "penalties": {A: tf.fill([4, 3], 1.0)},
        "before": {A: tf.fill([4, 3], 2.0)},
        "calls": {RELU: [call([[7.0]], [[8.0]])]},
    }
    plan, rows = stored(model, weights=True, mode=mode, **kinds)

    assert norms_of(plan, rows) == pytest.approx(
        {
            (GRADIENT, A): 4 * math.sqrt(12),
            (REGULARIZATION_GRADIENT, A): math.sqrt(12),
            (DATA_LOSS_GRADIENT, A): 3 * math.sqrt(12),
            (WEIGHT, A): 2 * math.sqrt(12),
            (ACTIVATION, RELU): 7,
            (ACTIVATION_GRADIENT, RELU): 8,
        },
        rel=1e-6,
    )


def test_slices_have_the_sketch_of_the_dense_gradient(model, mode):
    slices = tf.IndexedSlices(
        tf.constant([[1.0, 0.0], [2.0, 4.0]]), tf.constant([3, 3]), tf.constant([5, 2])
    )
    plan, rows = stored(model, gradients={E: slices, A: tf.ones([1])}, mode=mode)
    (sketch,) = rows.sketches([plan.row_of[GRADIENT, E]])

    assert norms_of(plan, rows) == {(GRADIENT, E): 5, (GRADIENT, A): 1}
    assert (sketch.count, sketch.zeros) == (10, 8)


def test_the_regularizers_part_is_removed_from_slices(model):
    slices = tf.IndexedSlices(tf.constant([[2.0, 0.0]]), tf.constant([3]), tf.constant([5, 2]))
    plan = Plan(model, Choice())
    plan.row_of |= {(kind, E): len(plan.row_of) + i for i, kind in enumerate(ADDED)}
    buffer = Buffer(len(plan.row_of), 0, 1)
    penalty = tf.fill([5, 2], 2.0)
    Measurement(tf.constant(0, tf.int64), {E: slices}, {E: penalty}, {}, None, {}, {}).store(
        0, plan, buffer
    )
    ((rows,),) = buffer.read()

    assert norms_of(plan, rows)[DATA_LOSS_GRADIENT, E] == pytest.approx(6)  # nine times -2


ADDED = (DATA_LOSS_GRADIENT, REGULARIZATION_GRADIENT)


def test_a_large_tensor_is_sketched_like_a_small_one(model, mode):
    large = np.zeros([2, 1 << 17], np.float32)
    large[0, 0], large[1, -1] = 3, 4
    gradients = {A: tf.constant(large), B: tf.constant([7.0]), E: tf.constant([9.0])}
    plan, rows = stored(model, gradients=gradients, mode=mode)

    assert norms_of(plan, rows) == {(GRADIENT, A): 5, (GRADIENT, B): 7, (GRADIENT, E): 9}
    assert [s.count for s in rows.sketches([plan.row_of[GRADIENT, A]])] == [1 << 18]


def test_the_calls_of_a_layer_are_sketched_together(model, mode):
    calls = [call(np.full([2, 3], 1.0), np.ones([2, 3])), call(np.full([1, 3], 5.0))]
    plan, rows = stored(model, calls={RELU: calls}, mode=mode)
    outputs, upstream = rows.sketches(
        [plan.row_of[kind, RELU] for kind in (ACTIVATION, ACTIVATION_GRADIENT)]
    )

    assert (outputs.count, outputs.sum) == (9, 21)
    assert (upstream.count, upstream.sum) == (6, 6)


def test_a_layer_without_a_backpropagated_signal_has_no_row_for_it(model):
    plan, rows = stored(model, calls={RELU: [call([[1.0]])]})

    assert norms_of(plan, rows) == {(ACTIVATION, RELU): 1}


def test_the_loss_scale_is_removed_from_the_backpropagated_signal(model, mode):
    calls = {RELU: [call([[1.0]], [[6.0]])]}
    gradients = {A: tf.constant([5.0])}  # is already unscaled
    plan, rows = stored(model, calls=calls, gradients=gradients, scale=tf.constant(4.0), mode=mode)

    assert norms_of(plan, rows) == {
        (GRADIENT, A): 5,
        (ACTIVATION, RELU): 1,
        (ACTIVATION_GRADIENT, RELU): 1.5,
    }


def test_updates_are_stored_next_to_their_gradients(model, mode):
    before = {B: tf.constant([3.0, 4.0]), A: tf.constant([[0.0], [2.0]])}
    after = {B: tf.constant([3.0, 4.5]), A: tf.constant([[5.0], [-10.0]])}
    gradients = {A: tf.constant([1.0]), B: tf.constant([1.0])}
    plan, rows = stored(model, gradients=gradients, before=before, after=after, mode=mode)
    found = {path: rows.extras(plan.row_of[GRADIENT, path]) for path in (A, B)}

    assert found[A] == [pytest.approx(13, rel=1e-6), pytest.approx(2, rel=1e-6), None, None]
    assert found[B] == [pytest.approx(0.5, rel=1e-6), pytest.approx(5, rel=1e-6), None, None]


def test_without_update_measurement_the_update_norm_is_not_known(model):
    plan, rows = stored(model, gradients={A: tf.ones([2])}, before={A: tf.ones([2])})

    assert rows.extras(plan.row_of[GRADIENT, A]) == [None] * 4


def test_loss_and_nonfinite_data_are_stored_once(model, mode):
    gradients = {A: tf.ones([2]), B: tf.ones([2])}
    losses = [tf.constant(6.0), tf.constant([1.0, 3.0], tf.float16)]
    data = [tf.constant([1.0, math.nan, math.inf]), tf.constant([[-math.inf]], tf.float64)]
    more = {"losses": losses, "data": data, "scale": tf.constant(4.0)}
    plan, rows = stored(model, gradients=gradients, mode=mode, **more)
    found = {path: rows.extras(plan.row_of[GRADIENT, path])[2:] for path in (A, B)}

    assert sorted(found.values(), key=str) == [[2.5, 3], [None, None]]


def test_a_loss_of_nan_is_known(model, mode):
    losses = [tf.constant(math.nan)]
    plan, rows = stored(model, gradients={A: tf.ones([2])}, losses=losses, mode=mode)

    assert math.isnan(rows.extras(plan.row_of[GRADIENT, A])[2])


def test_saturated_fraction_and_example_count_are_stored_with_the_outputs(model, mode):
    calls = {
        TANH: [call([[0.99, 0.0], [-0.98, 0.5]]), call([[0.0, 1.0]])],
        RELU: [call(np.ones([4, 3]))],
    }
    plan, rows = stored(model, calls=calls, mode=mode)
    found = {path: rows.extras(plan.row_of[ACTIVATION, path]) for path in (TANH, RELU)}

    assert found[TANH] == [0.5, 2, None, None]
    assert found[RELU] == [None, 4, None, None]


def test_a_scalar_output_counts_as_one_example(model):
    plan, rows = stored(model, calls={TANH: [call(0.5)]})

    assert rows.extras(plan.row_of[ACTIVATION, TANH])[:2] == [0, 1]


def active_units(model, values, axis=-1, mode="eager"):
    plan = Plan(model, Choice())
    object.__setattr__(plan.layers[RELU], "unit_axis", axis)
    buffer = Buffer(len(plan.row_of), len(plan.mask_of), 1)
    calls = {RELU: [call(value) for value in values]}
    nothing = {"gradients": {}, "penalties": {}, "before": {}, "after": {}, "scale": None}

    def store():
        Measurement(tf.constant(0, tf.int64), calls=calls, **nothing).store(0, plan, buffer)

    tf.function(store, autograph=False, jit_compile=mode == "xla")() if mode != "eager" else store()
    ((rows,),) = buffer.read()
    return np.flatnonzero(rows.active[plan.mask_of[RELU]]).tolist()


VALUES_AND_ACTIVE_UNITS = [
    ([[[0.0, 1.0, 0.0]], [[0.0, 0.0, 2.0]]], [1, 2]),
    ([[[0.0, 0.0, 0.0], [math.nan, 0.0, 5.0], [0.0, 0.0, 0.0]]], [0, 2]),
    ([np.zeros([0, 3])], []),
    ([np.ones([1, MAX_UNITS + 5])], list(range(MAX_UNITS))),
    ([[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]], [1]),
    ([[[0.0, math.nan, 0.0]]], [1]),
    ([[[0.0, math.nan, 0.0], [0.0, 0.0, 0.0]]], [1]),
    ([[[[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]], [1]),
    ([3.0], []),
]


@pytest.mark.parametrize(("values", "expected"), VALUES_AND_ACTIVE_UNITS)
@pytest.mark.parametrize("how", ["eager", "graph"])
def test_a_unit_is_active_unless_zero_on_every_example(model, values, expected, how):
    assert active_units(model, values, mode=how) == expected


# A compilation takes long, so those that differ most: two calls, NaN, no example, too many units.
@pytest.mark.parametrize(("values", "expected"), VALUES_AND_ACTIVE_UNITS[:4])
def test_a_unit_is_active_unless_zero_on_every_example_under_xla(model, values, expected):
    assert active_units(model, values, mode="xla") == expected


def test_channels_first_layers_have_channels_as_units(model):
    images = np.zeros([2, 3, 4, 4])
    images[1, 2, 0, 3] = 1

    assert active_units(model, [images], axis=1) == [2]


def test_a_measurement_is_stored_in_its_slot(model):
    gradients = {A: tf.constant([2.0])}
    plan, rows = stored(model, gradients=gradients, num_slots=3, slot=2)

    assert norms_of(plan, rows) == {(GRADIENT, A): 2}


@pytest.mark.parametrize("shape", [[None, 3], [None, None], [None], None])
def test_examples_are_counted_in_a_batch_of_any_size(model, shape):
    plan = Plan(model, Choice())
    buffer = Buffer(len(plan.row_of), len(plan.mask_of), 1)
    nothing = {"gradients": {}, "penalties": {}, "before": {}, "after": {}, "scale": None}

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False)
    def store(values):
        calls = {TANH: [Call(values)]}
        Measurement(tf.constant(0, tf.int64), calls=calls, **nothing).store(0, plan, buffer)

    examples = []
    for batch in (5, 0, 2):
        store(tf.ones([batch] if shape == [None] else [batch, 3]))
        ((rows,),) = buffer.read()
        examples.append(rows.extras(plan.row_of[ACTIVATION, TANH])[1])

    assert examples == [5, 0, 2]

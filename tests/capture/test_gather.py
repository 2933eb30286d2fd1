"""An update is measured around the optimizer's work, which proceeds even if measuring fails."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import mlp, reset_keras
from tapped import X, gradients_of, in_modes

from vg_keras.capture import gather
from vg_keras.capture.absences import Absences
from vg_keras.capture.buffer import Buffer
from vg_keras.capture.decode import Decoder
from vg_keras.capture.describe import describe
from vg_keras.capture.due_steps import EveryStep
from vg_keras.capture.gather import Gatherer
from vg_keras.capture.plan import Choice, Plan
from vg_keras.capture.taps import Taps

LEARNING_RATE = 0.5
STEP = 7


def gathering(model, is_prepared=True, on_error=None):
    """Returns a gatherer of a model, with everything that it uses."""
    due_steps, plan = EveryStep(), Plan(model, Choice())
    due_steps.make_variables()
    due_steps.begin_execution(STEP)
    buffer = Buffer(len(plan.row_of), len(plan.mask_of), 1)
    taps, prepared = Taps(model, on_error=on_error), []
    absences = Absences(taps)

    def prepare():
        prepared.append(True)
        return plan, buffer

    gatherer = Gatherer(
        model, Choice(), taps, absences, due_steps, prepare, lambda: is_prepared or bool(prepared)
    )
    return SimpleNamespace(
        gatherer=gatherer, taps=taps, plan=plan, buffer=buffer, prepared=prepared, absences=absences
    )


def record_of(gathered, model):
    """The record of the only step that was stored."""
    (replicas,) = gathered.buffer.read()
    shapes, called = gathered.gatherer.shapes, list(gathered.taps.called)
    described = describe(model, gathered.plan.variables, gathered.plan.paths, shapes, called)
    return Decoder(gathered.plan, described).record(replicas, (), 0.0)


def sgd_for(model):
    optimizer = keras.optimizers.SGD(LEARNING_RATE)
    optimizer.build(model.trainable_variables)
    return optimizer


def apply_around(gathering, optimizer, gradients, variables):
    """Applies an optimizer the way the hook of `intercepted` does."""
    return gathering.gatherer.around_apply(
        optimizer, gradients, variables, lambda: optimizer.apply(gradients, variables) or "applied"
    )


@pytest.fixture(params=["eager", "graph", "xla"])
def mode(request):
    return request.param


def test_gradients_and_updates_are_stored(mode):
    model = mlp(inputs=3)
    optimizer, gathered = sgd_for(model), gathering(model)
    before = [v.numpy() for v in model.trainable_variables]

    def step():
        gradients = gradients_of(model)
        apply_around(gathered, optimizer, gradients, model.trainable_variables)
        return gradients

    with gathered.taps.installed():
        gradients = [g.numpy() for g in in_modes(step)[mode]()]
    record = record_of(gathered, model)
    norms = [np.linalg.norm(g) for g in gradients]

    assert record.step == STEP
    assert list(record.gradients) == list(gathered.plan.variables)
    assert [s.norm for s in record.gradients.values()] == pytest.approx(norms, rel=1e-5)
    assert list(record.update_norms.values()) == pytest.approx(
        [LEARNING_RATE * norm for norm in norms], rel=1e-5
    )
    assert list(record.weight_norms.values()) == pytest.approx(
        [np.linalg.norm(value) for value in before], rel=1e-6
    )
    for variable, value, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        assert variable.numpy() == pytest.approx(value - LEARNING_RATE * gradient, abs=1e-6)


def test_layer_outputs_are_stored_with_their_shapes():
    model = mlp(inputs=3)
    gathered = gathering(model)
    with gathered.taps.installed():
        gradients = gradients_of(model)
        gathered.gatherer.measure_gradients(gradients, model.trainable_variables)
    record = record_of(gathered, model)
    paths = ["sequential/dense", "sequential/dense_1"]
    expected = [np.linalg.norm(model.layers[0](X)), np.linalg.norm(model(X))]

    assert gathered.gatherer.shapes == {paths[0]: (2, 8), paths[1]: (2, 2)}
    assert record.examples == dict.fromkeys(paths, 2)
    assert [record.activations[path].count for path in paths] == [16, 4]
    assert [record.activations[path].norm for path in paths] == pytest.approx(expected, rel=1e-6)


def test_dimensions_that_differ_between_calls_are_none():
    model = mlp(depth=0, inputs=3)
    gathered = gathering(model)
    with gathered.taps.installed():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(X)) + tf.reduce_sum(model(X[:1]))
        gradients = tape.gradient(loss, model.trainable_variables)
        gathered.gatherer.measure_gradients(gradients, model.trainable_variables)

    assert gathered.gatherer.shapes == {"sequential/dense": (None, 2)}


def test_a_variable_counts_as_without_gradient_until_it_receives_one():
    model = mlp(depth=0, inputs=3)
    gathered = gathering(model)
    kernel, bias = model.trainable_variables
    found = []
    for gradients in ([tf.ones([3, 2]), None], [None, None], [tf.ones([3, 2]), tf.ones([2])]):
        gathered.gatherer.measure_gradients(gradients, [kernel, bias])
        found.append(set(gathered.gatherer.without_gradient))

    assert found == [{"sequential/dense/bias"}, set(gathered.plan.variables), set()]
    assert gathered.absences.received == set(gathered.plan.variables)


def test_an_optimizer_of_another_model_is_left_alone():
    model, other = mlp(inputs=3), mlp(inputs=3)
    gathered = gathering(model, is_prepared=False)
    gradients = [tf.ones_like(v) for v in other.trainable_variables]
    result = apply_around(gathered, sgd_for(other), gradients, other.trainable_variables)

    assert result == "applied"
    assert gathered.prepared == []
    assert list(gathered.buffer.read()) == []


def test_nothing_is_stored_while_taps_are_silent():
    model = mlp(inputs=3)
    gathered = gathering(model)
    gradients = [tf.ones_like(v) for v in model.trainable_variables]
    with gathered.taps.silent():
        result = apply_around(gathered, sgd_for(model), gradients, model.trainable_variables)

    assert result == "applied"
    assert list(gathered.buffer.read()) == []


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_an_update_is_counted_when_stored_and_when_traced(mode):
    model = mlp(inputs=3)
    gathered = gathering(model)

    def step():
        gradients = [tf.ones_like(v) for v in model.trainable_variables]
        gathered.gatherer.measure_gradients(gradients, model.trainable_variables)

    run = in_modes(step)[mode]
    for _ in range(3):
        run()
    counted = gathered.gatherer.num_stored, gathered.gatherer.num_traced

    assert counted == {"eager": (3, 0), "graph": (1, 1)}[mode]


def test_a_measuring_error_does_not_stop_the_optimizer(monkeypatch):
    model, errors = mlp(depth=0, inputs=3), []
    gathered = gathering(model, on_error=errors.append)
    before = [v.numpy() for v in model.trainable_variables]

    def fail(optimizer):
        raise KeyError("the monitor's own")

    monkeypatch.setattr(gather, "loss_scale", fail)
    gradients = [tf.ones_like(v) for v in model.trainable_variables]
    result = apply_around(gathered, sgd_for(model), gradients, model.trainable_variables)

    assert result == "applied"
    assert [type(error) for error in errors] == [KeyError]
    assert model.trainable_variables[0].numpy() == pytest.approx(before[0] - LEARNING_RATE)


def test_the_regularizers_part_is_separated():
    reset_keras()
    dense = layers.Dense(2, kernel_regularizer=keras.regularizers.L2(0.5), use_bias=False)
    model = keras.Sequential([keras.Input([3]), dense])
    gathered = gathering(model)
    with gathered.taps.installed():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(X)) + sum(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        gathered.gatherer.measure_gradients(gradients, model.trainable_variables)
    record, path = record_of(gathered, model), "sequential/dense/kernel"
    kernel = dense.kernel.numpy()
    by_data = np.repeat(X.numpy().sum(axis=0)[:, np.newaxis], 2, axis=1)

    added = kernel  # d(0.5 w**2)/dw

    assert [
        record.regularization_gradients[path].norm,
        record.data_loss_gradients[path].norm,
        record.gradients[path].norm,
    ] == pytest.approx(list(map(np.linalg.norm, [added, by_data, by_data + added])), rel=1e-6)

"""One observer serves all monitors of a custom loop that measure the same of the same model."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import mlp
from tapped import X, gradients_of

from vg_keras.capture.loop_capture import loop_observer
from vg_keras.capture.plan import Choice

pytestmark = pytest.mark.usefixtures("graphs_as_traced")


def sgd_for(model, counted=0):
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    optimizer.iterations.assign(counted)
    return optimizer


def test_the_same_arguments_give_the_same_observer():
    model = mlp(inputs=3)
    optimizers = [sgd_for(model)]
    first = loop_observer(model, optimizers, Choice(), 1)

    assert loop_observer(model, list(optimizers), Choice(), 1) is first
    assert loop_observer(model, optimizers, Choice(exclude=()), 1) is first


def test_another_choice_optimizer_model_or_frequency_gives_another_observer():
    model, other = mlp(inputs=3), mlp(inputs=3)
    optimizer = sgd_for(model)
    found = [
        loop_observer(model, [optimizer], Choice(), 1),
        loop_observer(model, [optimizer], Choice(weights=True), 1),
        loop_observer(model, [sgd_for(model)], Choice(), 1),
        loop_observer(other, [optimizer], Choice(), 1),
        loop_observer(model, [optimizer], Choice(), 2),
    ]

    assert len(set(map(id, found))) == 5


def test_every_frequency_above_one_shares_an_observer():
    model = mlp(inputs=3)
    optimizers = [sgd_for(model)]

    assert loop_observer(model, optimizers, Choice(), 2) is loop_observer(
        model, optimizers, Choice(), 1000
    )


def test_an_observer_is_freed_with_its_model():
    model = mlp(inputs=3)
    kept = weakref.ref(loop_observer(model, [sgd_for(model)], Choice(), 1))
    gc.collect()
    before = kept() is not None
    del model
    keras.utils.clear_session()
    gc.collect()

    assert before
    assert kept() is None


@pytest.mark.parametrize("counted", [0, 40])
def test_a_function_of_many_batches_is_recorded_with_its_last_batch(counted):
    model = mlp(inputs=3)
    first, second = sgd_for(model, counted), sgd_for(model)
    observer = loop_observer(model, [first, second], Choice(), 1)

    @tf.function(autograph=False)
    def three_batches():
        def batch(number, _):
            gradients = gradients_of(model)
            first.apply(gradients, model.trainable_variables)
            return number + 1, gradients

        nothing = [tf.zeros_like(v) for v in model.trainable_variables]
        return tf.while_loop(lambda number, _: number < 3, batch, (0, nothing))[1]

    observer.begin_execution(100)
    with observer.watching():
        last = three_batches()
    (replicas,) = observer.read()
    record = observer.decoder().record(replicas, (), 1.0)

    assert record.step == 102
    assert [g.norm for g in record.gradients.values()] == pytest.approx(
        [np.linalg.norm(gradient) for gradient in last], rel=1e-5
    )


def test_a_filter_that_matches_nothing_is_an_error():
    model = mlp(inputs=3)
    optimizers = [sgd_for(model)]
    with pytest.raises(ValueError, match="no_such_variable"):
        loop_observer(model, optimizers, Choice(exclude=["no_such_variable"]), 1)
    observer = loop_observer(model, optimizers, Choice(exclude=["*bias"]), 1)
    observer.begin_execution(0)
    with observer.watching():
        optimizers[0].apply(gradients_of(model, X), model.trainable_variables)

    assert len(observer.read()) == 1
    assert [path.split("/")[-1] for path in observer.description.variables] == ["kernel"] * 2

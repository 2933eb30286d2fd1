"""If anything raises while a model is monitored, all attributes of the model are restored."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from as_found import attributes, changes
from keras import layers
from small_models import BATCH_SIZE, CallAt, compiled, fit, regression_data, reset_keras

from vg_keras import GradientMonitor, Probe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]


class TroubleError(Exception):
    """Raised by these tests only."""


class Fuse(layers.Layer):
    """Passes its input through, and raises in one chosen call by Python."""

    def __init__(self, raises=TroubleError):
        super().__init__(name="fuse")
        self.raises = raises
        self.calls_left = None

    def call(self, x):
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise self.raises("by the test")
        return x


def fused_model(raises=TroubleError, is_trained=True, **how):
    """A model with regularizers and a fuse behind its first layer, which has been trained once."""
    reset_keras()
    fuse = Fuse(raises)
    hidden = layers.Dense(4, "relu", kernel_regularizer="l2")
    model = keras.Sequential([keras.Input([4]), hidden, fuse, layers.Dense(2)])
    compiled(model, **how)
    if is_trained:
        fit(model, *regression_data(1))
    else:
        model(np.zeros([1, 4], np.float32))
        model.make_train_function()
        model.optimizer.build(model.trainable_variables)
    return model, fuse


def batches(num_batches):
    x, y = regression_data(num_batches)
    for start in range(0, len(x), BATCH_SIZE):
        yield x[start : start + BATCH_SIZE], y[start : start + BATCH_SIZE]


def broken_batches():
    yield from batches(2)
    raise TroubleError("by the test")


def fail(model):
    raise TroubleError("by the test")


WAYS = {"graph": {}, "eager": {"run_eagerly": True}, "xla": {"jit_compile": True}}
ways = pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_data_that_raises(how):
    model, _ = fused_model(**how)
    before = attributes(model)
    with pytest.raises(Exception, match="by the test"):
        fit(model, broken_batches(), None, [GradientMonitor(None, "batch")], batch_size=None)

    assert changes(before, attributes(model)) == []


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_a_callback_that_raises_after_a_recorded_step(how):
    model, _ = fused_model(**how)
    before = attributes(model)
    with pytest.raises(TroubleError):
        fit(
            model,
            *regression_data(3),
            [GradientMonitor(None, "batch"), CallAt("on_train_batch_end", fail, at=1)],
        )

    assert changes(before, attributes(model)) == []


@pytest.mark.parametrize("update_freq", [2, "batch"])
@ways
def test_a_layer_that_raises_while_the_step_is_traced(how, update_freq):
    model, fuse = fused_model(is_trained=False, **how)
    fuse.calls_left = 0
    before = attributes(model)
    with pytest.raises(TroubleError):
        fit(model, *regression_data(3), [GradientMonitor(None, update_freq)])
    fuse.calls_left = None

    # Keras creates the `_eval_epoch_iterator` in the first `fit` of a model.
    of_others = ("calls_left", "_eval_epoch_iterator")
    found = changes(before, attributes(model))
    assert [name for name in found if not name.startswith(of_others)] == []


@pytest.mark.parametrize("how", [WAYS["graph"], WAYS["xla"]], ids=["graph", "xla"])
def test_a_layer_that_raises_when_traced_again_trains_as_without_a_monitor(how):
    model, fuse = fused_model(**how)
    fuse.calls_left = 0
    before = attributes(model)
    monitor = GradientMonitor(None, "batch")
    with pytest.warns(UserWarning, match="no longer the one that was traced") as caught:
        fit(model, *regression_data(3), [monitor])
    fuse.calls_left = None

    (warning,) = caught
    assert str(warning.message) == (
        "The train step of the model 'sequential' is no longer the one that was traced: tracing it "
        "again fails: Exception encountered when calling Fuse.call(). In Keras such a change takes "
        "effect at the next `compile`. Nothing is recorded until then, because a recorded step "
        "would train differently: compile the model again."
    )
    assert monitor.records == []
    assert [c for c in changes(before, attributes(model)) if "calls_left" not in c] == []


def test_a_layer_that_raises_at_a_later_step_of_eager_training():
    model, fuse = fused_model(run_eagerly=True)
    fuse.calls_left = 2
    before = attributes(model)
    monitor = GradientMonitor(None, "batch")
    with pytest.raises(TroubleError):
        fit(model, *regression_data(4), [monitor])

    assert len(monitor.records) == 2
    assert [c for c in changes(before, attributes(model)) if "calls_left" not in c] == []


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_an_interrupt_during_a_recorded_step(how):
    model, fuse = fused_model(KeyboardInterrupt, **how)
    fuse.calls_left = 0
    before = attributes(model)
    with pytest.raises(KeyboardInterrupt):
        fit(model, *regression_data(3), [GradientMonitor(None, "batch")])

    assert [c for c in changes(before, attributes(model)) if "calls_left" not in c] == []


def exploding_loss(truth, prediction):
    """Raises at the third batch, also in a graph."""
    loss = tf.reduce_mean(tf.square(truth - prediction), axis=-1)
    with tf.control_dependencies([tf.debugging.assert_less(truth, 100.0, "by the test")]):
        return tf.identity(loss)


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_a_loss_that_raises_at_the_third_step(how):
    model, _ = fused_model(loss=exploding_loss, **how)
    x, y = regression_data(4)
    y[2 * BATCH_SIZE] = 1000
    before = attributes(model)
    monitor = GradientMonitor(None, "batch")
    with pytest.raises(tf.errors.InvalidArgumentError, match="by the test"):
        fit(model, x, y, [monitor])

    assert [record.step for record in monitor.records] == [1, 2]
    assert changes(before, attributes(model)) == []


def test_an_optimizer_that_raises():
    model, _ = fused_model(run_eagerly=True)

    def apply(*args, **kwargs):
        raise TroubleError("by the test")

    vars(model.optimizer)["apply"] = apply
    before = attributes(model)
    with pytest.raises(TroubleError):
        fit(model, *regression_data(2), [GradientMonitor(None, "batch")])

    assert changes(before, attributes(model)) == []


def test_an_optimizers_own_apply_is_restored():
    model, _ = fused_model(run_eagerly=True)
    apply, calls = model.optimizer.apply, []

    def own_apply(gradients, variables):
        calls.append(len(variables))
        return apply(gradients, variables)

    vars(model.optimizer)["apply"] = own_apply
    fit(model, *regression_data(3), [GradientMonitor(None, "batch")])

    assert vars(model.optimizer)["apply"] is own_apply
    assert calls == [4, 4, 4]


@pytest.mark.parametrize("in_graph", [True, False], ids=["tf.function", "eager"])
def test_a_watched_step_that_raises(in_graph):
    model, fuse = fused_model()

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)

    step = tf.function(step) if in_graph else step
    fuse.calls_left = 0
    before = attributes(model)
    monitor = GradientMonitor(None, "batch")
    data = list(batches(2))
    with pytest.raises(TroubleError), monitor.watch(model) as watch, watch.step():
        step(*data[0])
    found = changes(before, attributes(model))
    fuse.calls_left = None
    with monitor.watch(model) as watch, watch.step():
        step(*data[1])

    assert [name for name in found if "calls_left" not in name] == []
    assert [record.step for record in monitor.records] == [1]


def test_a_probe_that_fails_at_its_first_step():
    model, _ = fused_model()
    before = attributes(model)
    probe = (np.zeros([3, 5]), np.zeros([3, 2]))
    with pytest.raises(ValueError, match="`probe` must be a batch that the model can"):
        fit(model, *regression_data(2), [GradientMonitor(None, "batch", probe=probe)])

    assert changes(before, attributes(model)) == []


def test_a_probe_that_fails_at_a_later_step_warns_once_and_training_goes_on():
    model, _ = fused_model(run_eagerly=True)
    calls = []

    def loss(model, x, y):
        calls.append(x)
        if len(calls) == 3:
            raise TroubleError("by the test")
        return tf.reduce_mean(tf.square(model(x) - y))

    x, y = regression_data(5)
    before = attributes(model)
    monitor = GradientMonitor(None, "batch", probe=Probe(x, y, loss=loss))
    with pytest.warns(UserWarning, match="The probe failed") as caught:
        fit(model, x, y, [monitor])

    assert len(caught) == 1
    assert (len(monitor.records), len(monitor.probe_records)) == (5, 2)
    assert changes(before, attributes(model)) == []

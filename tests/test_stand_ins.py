"""Replacements of Keras parts during a recorded step have the same signatures and attributes."""

import inspect

import keras
import pytest
import tensorflow as tf
from keras import layers
from small_models import compiled, fit, regression_data, reset_keras

from vg_keras import GradientMonitor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

X, Y = regression_data(4)
ways = pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["graph", "eager"])


class Model(keras.Sequential):
    """A model whose train step calls `apply` in its own way."""

    def __init__(self, **how):
        reset_keras()
        super().__init__([keras.Input([4]), layers.Dense(2, name="out", **how)], name="model")

    def train_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss = self.loss_of(x, y)
        self.apply(tape.gradient(loss, self.trainable_variables), loss)
        return {"loss": loss}

    def loss_of(self, x, y):
        return tf.reduce_mean((self(x, training=True) - y) ** 2)

    def apply(self, gradients, loss):
        self.optimizer.apply(gradients, self.trainable_variables)


def num_records(model, optimizer=None, fits=1, **how):
    compiled(model, optimizer, loss=None, **how)
    monitor = GradientMonitor(None, "batch")
    fit(model, X, Y)
    for _ in range(fits):
        fit(model, X, Y, [monitor])
    assert all(len(record.gradients) == 2 for record in monitor.records)
    return len(monitor.records)


class TakesLoss(keras.optimizers.SGD):
    """An optimizer whose `apply` takes more, for example a schedule that depends on the loss."""

    def apply(self, grads, trainable_variables=None, *, loss=None):
        assert loss is not None
        return super().apply(grads, trainable_variables)


class HandsLoss(Model):
    def apply(self, gradients, loss):
        self.optimizer.apply(gradients, self.trainable_variables, loss=loss)


class OtherNames(keras.optimizers.SGD):
    def apply(self, gradients, variables):
        return super().apply(gradients, variables)


class HandsByOtherNames(Model):
    def apply(self, gradients, loss):
        self.optimizer.apply(variables=self.trainable_variables, gradients=gradients)


class TakesAnything(keras.optimizers.SGD):
    def apply(self, *args, **kwargs):
        return super().apply(*args, **kwargs)


class HandsByName(Model):
    def apply(self, gradients, loss):
        self.optimizer.apply(grads=gradients, trainable_variables=self.trainable_variables)


@ways
@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [
        (HandsLoss, TakesLoss),
        (HandsByOtherNames, OtherNames),
        (HandsByName, TakesAnything),
        (HandsByName, keras.optimizers.SGD),
    ],
)
def test_apply_of_an_optimizer_can_take_any_arguments(kind, optimizer, how):
    assert num_records(kind(), optimizer(0.1), **how) == 4


class WithoutForce(Model):
    """Has the signature of TensorFlow 2.2."""

    def make_train_function(self):
        super().make_train_function()
        return self.train_function


class AroundKeras(Model):
    def make_train_function(self, force=False):
        super().make_train_function(force=True)
        function = self.train_function
        self.train_function = lambda iterator: function(iterator)


class OfItsOwn(Model):
    """A train function independent of Keras's, with a branch that AutoGraph must convert."""

    def make_train_function(self, force=False):
        if self.train_function is not None and not force:
            return
        step = self.train_step if self.run_eagerly else tf.function(self.train_step)
        self.train_function = lambda iterator: step(next(iterator))

    def loss_of(self, x, y):
        loss = super().loss_of(x, y)
        if loss > 100.0:
            loss = 2.0 * loss
        return loss


@ways
@pytest.mark.parametrize("kind", [WithoutForce, AroundKeras, OfItsOwn])
def test_a_model_can_make_its_own_train_function(kind, how):
    assert num_records(kind(), fits=2, **how) == 4 * 2


def test_a_change_after_a_custom_train_function_was_traced_is_detected():
    model = compiled(OfItsOwn(), loss=None)
    fit(model, X, Y)
    model.layers[0].activation = keras.activations.tanh
    monitor = GradientMonitor(None, "batch")
    with pytest.warns(UserWarning, match="no longer the one that was traced"):
        fit(model, X, Y, [monitor])

    assert monitor.records == []


class LooksAtRegularizer(Model):
    def loss_of(self, x, y):
        regularizer = self.layers[0].kernel.regularizer
        assert isinstance(regularizer, keras.regularizers.L2)
        assert regularizer.get_config() == {"l2": 0.25}
        return super().loss_of(x, y) + regularizer.l2 * tf.reduce_sum(self.losses)


@ways
def test_a_train_step_can_inspect_a_regularizer(how):
    model = LooksAtRegularizer(kernel_regularizer=keras.regularizers.L2(0.25))

    assert num_records(model, **how) == 4


class LooksAtSignature(layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dropout(0.5)

    def call(self, x, training=None):
        assert list(inspect.signature(self.inner.call).parameters) == ["inputs", "training"]
        return self.inner(x, training=training)


@ways
def test_a_layer_can_inspect_the_signature_of_another(how):
    reset_keras()
    model = keras.Sequential([keras.Input([4]), LooksAtSignature(), layers.Dense(2)])
    monitor = GradientMonitor(None, "batch")
    fit(compiled(model, **how), X, Y, [monitor])

    assert len(monitor.records) == 4

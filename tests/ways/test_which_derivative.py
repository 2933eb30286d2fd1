"""An activation gradient belongs to the loss whose gradients reach the optimizer, or is absent.

Each train step here differentiates more than once, or in an unusual way. The records are compared
with the derivatives of the training loss from a persistent tape over the untouched layers.
"""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from reference import assert_is_sketch_of
from small_models import compiled, fit, regression_data, reset_keras
from twin import array, derive

from vg_keras import GradientMonitor

pytestmark = pytest.mark.usefixtures("graphs_as_traced")

X, Y = regression_data(4, outputs=1)
LAYERS = ["model/hidden", "model/out"]
WAYS = {"eager": {"run_eagerly": True}, "graph": {}, "xla": {"jit_compile": True}}
TRACED = ["eager", "graph"]
"""The ways in which Python runs the step differently. XLA compiles what was traced for a graph, so
it is tried with the train steps that need more than straight-line code."""


class Model(keras.Sequential):
    """Two layers, and a train step that subclasses define."""

    def __init__(self):
        hidden, out = layers.Dense(6, "tanh", name="hidden"), layers.Dense(1, name="out")
        super().__init__([keras.Input([4]), hidden, out], name="model")

    def train_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.optimizer.apply(self.gradients(x, y), self.trainable_variables)
        return {"loss": tf.constant(0.0)}

    def gradients(self, x, y):
        return self.gradients_of(lambda: self.loss_of(x, y))

    def gradients_of(self, loss):
        with tf.GradientTape() as tape:
            loss = loss()
        return tape.gradient(loss, self.trainable_variables)

    def loss_of(self, x, y):
        return tf.reduce_mean((self(x, training=True) - y) ** 2)

    def expected(self, x, y):
        """Returns the expected contents of the step, computed independently."""
        return derive(self, lambda: self.loss_of(x, y))


class GradientPenalty(Model):
    """As in WGAN-GP."""

    def loss_of(self, x, y):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = self(x)
        slope = tf.norm(tape.gradient(score, x), axis=1)
        return tf.reduce_mean(self(-x)) - tf.reduce_mean(score) + tf.reduce_mean((slope - 1) ** 2)


class SecondDerivative(Model):
    """As in physics-informed networks."""

    def loss_of(self, x, y):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                u = self(x)
            slope = inner.gradient(u, x)
        return tf.reduce_mean((tf.reduce_sum(outer.gradient(slope, x), axis=1) - u[:, 0]) ** 2)


class JacobianPenalty(Model):
    def loss_of(self, x, y):
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = self(x)
        return tf.reduce_mean(output) + tf.reduce_mean(tape.batch_jacobian(output, x) ** 2)


class SharpnessAware(Model):
    """SAM: the second pass trains, at weights that the first pass has moved."""

    def moves(self, x, y):
        first = self.gradients_of(lambda: self.loss_of(x, y))
        norm = tf.linalg.global_norm(first)
        return [0.5 * gradient / norm for gradient in first]

    def moved(self, x, y, then):
        moves = self.moves(x, y)
        for variable, move in zip(self.trainable_variables, moves, strict=True):
            variable.assign_add(move)
        result = then()
        for variable, move in zip(self.trainable_variables, moves, strict=True):
            variable.assign_sub(move)
        return result

    def gradients(self, x, y):
        return self.moved(x, y, lambda: self.gradients_of(lambda: self.loss_of(x, y)))

    def expected(self, x, y):
        return self.moved(x, y, lambda: super(SharpnessAware, self).expected(x, y))


class MetaLearner(Model):
    """MAML: the loss after a step of SGD, differentiated through that step."""

    def loss_of(self, x, y):
        values = [v.value for v in self.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(values)
            inner = tf.reduce_mean((self(x) - y) ** 2)
        fast = [v - 0.1 * g for v, g in zip(values, tape.gradient(inner, values), strict=True)]
        output = tf.tanh(x @ fast[0] + fast[1]) @ fast[2] + fast[3]
        return tf.reduce_mean((output - y) ** 2)


class Clipped(Model):
    def gradients(self, x, y):
        return tf.clip_by_global_norm(super().gradients(x, y), 0.01)[0]


class InCondition(Model):
    """Skips steps whose gradient is not finite."""

    def train_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        gradients = self.gradients(x, y)
        apply = lambda: self.optimizer.apply(gradients, self.trainable_variables)  # noqa: E731
        tf.cond(tf.math.is_finite(tf.linalg.global_norm(gradients)), apply, lambda: None)
        return {"loss": tf.constant(0.0)}


class BesideTheTape(Model):
    """Also calls the model for something else, and requests zeros for unconnected gradients."""

    def gradients(self, x, y):
        self(3 * x)
        with tf.GradientTape() as tape:
            loss = self.loss_of(x, y)
        variables = self.trainable_variables
        return tape.gradient(loss, variables, unconnected_gradients="zero")


class ByRows(Model):
    """Maps the layers over the rows of a batch."""

    def call(self, x, training=None, mask=None):
        hidden, out = self.layers
        return tf.vectorized_map(lambda row: out(hidden(row[tf.newaxis]))[0], x)

    def expected(self, x, y):
        return derive(self, lambda: tf.reduce_mean((super(ByRows, self).call(x) - y) ** 2))


class OfGraph(Model):
    """Uses `tf.gradients` instead of a tape."""

    def gradients(self, x, y):
        return tf.gradients(self.loss_of(x, y), [v.value for v in self.trainable_variables])


def first_record(kind, way):
    """Returns the model before its first step, and the record of that step."""
    reset_keras()
    model = compiled(kind(), keras.optimizers.SGD(0.1), loss=None, **WAYS[way])
    monitor = GradientMonitor(None)
    before = kind()
    before.set_weights(model.get_weights())
    fit(model, X, Y, [monitor], batch_size=len(X))
    return before, monitor.records[0]


ROUTES = [
    *(
        (kind, way)
        for kind in (
            Model,
            GradientPenalty,
            SecondDerivative,
            JacobianPenalty,
            SharpnessAware,
            MetaLearner,
            Clipped,
            InCondition,
            BesideTheTape,
        )
        for way in TRACED
    ),
    (ByRows, "graph"),
    (OfGraph, "graph"),
    *((kind, "xla") for kind in (JacobianPenalty, InCondition)),
]


@pytest.mark.parametrize(("kind", "way"), ROUTES)
def test_it_is_the_derivative_of_the_loss_that_trains(kind, way):
    model, record = first_record(kind, way)
    expected = model.expected(tf.constant(X), tf.constant(Y))

    assert set(record.activations) == set(record.activation_gradients) == set(LAYERS)
    for path in LAYERS:
        assert_is_sketch_of(record.activations[path], expected.outputs[path])
        assert_is_sketch_of(record.activation_gradients[path], expected.output_gradients[path])


def test_the_gradient_of_a_critics_score_is_one_over_the_batch_size():
    _, record = first_record(GradientPenalty, "graph")
    sketch = record.activation_gradients["model/out"]

    assert (sketch.count, sketch.min, sketch.max) == (64, -1 / 32, 1 / 32)


class PerExample(Model):
    """DP-SGD without the noise."""

    def gradients(self, x, y):
        with tf.GradientTape(persistent=True) as tape:
            losses = tf.reduce_mean((self(x) - y) ** 2, axis=1)
        each = [tape.jacobian(losses, v.value) for v in self.trainable_variables]
        return [tf.reduce_mean(gradient, axis=0) for gradient in each]


class Accumulated(Model):
    """Trains with gradients that are kept from step to step."""

    def __init__(self):
        super().__init__()
        self.totals = [tf.Variable(tf.zeros_like(v)) for v in self.trainable_variables]

    def gradients(self, x, y):
        for total, gradient in zip(self.totals, super().gradients(x, y), strict=True):
            total.assign_add(gradient)
        return [tf.identity(total) for total in self.totals]


class TwoLosses(Model):
    """Adds the gradients of two losses of one forward pass."""

    def gradients(self, x, y):
        with tf.GradientTape(persistent=True) as tape:
            output = self(x)
            losses = tf.reduce_mean((output - y) ** 2), tf.reduce_mean(output)
        first, second = (tape.gradient(loss, self.trainable_variables) for loss in losses)
        return [a + b for a, b in zip(first, second, strict=True)]


OUT_OF_SIGHT = (
    "the gradients that the optimizer received do not come from an observed "
    "`tf.GradientTape.gradient` call of this step"
)
SEVERAL = (
    "several losses were differentiated with respect to their outputs, and the gradients combined"
)


AMBIGUOUS = {PerExample: OUT_OF_SIGHT, Accumulated: OUT_OF_SIGHT, TwoLosses: SEVERAL}


@pytest.mark.parametrize(("kind", "way"), list(itertools.product(AMBIGUOUS, TRACED)))
def test_an_ambiguous_derivative_is_left_out_and_named(kind, way):
    with pytest.warns(UserWarning, match="not recorded") as caught:
        model, record = first_record(kind, way)
    (warning,) = caught

    assert str(warning.message) == (
        f"The activation gradients of model/hidden, model/out are not recorded: {AMBIGUOUS[kind]}. "
        "Everything else is recorded."
    )
    assert record.activation_gradients == {}
    assert len(record.gradients) == 4
    assert_is_sketch_of(record.activations["model/out"], array(model(X)))


def test_the_sum_of_micro_batches_has_the_derivatives_of_each():
    class MicroBatches(Model):
        def gradients(self, x, y):
            parts = [self.gradients_of(lambda h=h: self.loss_of(x[h::2], y[h::2])) for h in (0, 1)]
            return [a + b for a, b in zip(*parts, strict=True)]

    model, record = first_record(MicroBatches, "graph")
    output = array(model(X))
    expected = 2 * (output - Y) / (len(X) / 2)

    assert np.isclose(record.activation_gradients["model/out"].norm, np.linalg.norm(expected))


def test_an_inner_pass_that_raises_does_not_affect_the_step():
    class Trying(Model):
        def gradients(self, x, y):
            with tf.GradientTape() as tape:
                self.loss_of(x, y)
            try:
                tape.gradient(None, self.trainable_variables)
            except TypeError:
                return super().gradients(x, y)
            raise AssertionError

    model, record = first_record(Trying, "graph")
    expected = model.expected(X, Y)

    assert_is_sketch_of(
        record.activation_gradients["model/out"], expected.output_gradients["model/out"]
    )

"""Layers that run twice, in a loop or in an inner function are recorded as far as possible."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from layers_and_models import SERIES, TARGET, VECTORS, dense, sequential
from reference import assert_is_sketch_of
from twin import expected_steps
from way import Way

from vg_keras import GradientMonitor

pytestmark = pytest.mark.usefixtures("graphs_as_traced")


def first_record(way, **how):
    monitor = GradientMonitor(None)
    model = way.monitored_model()
    model.fit(way.x[:8], way.y[:8], batch_size=8, shuffle=False, verbose=0, callbacks=[monitor])
    return monitor.records[0]


@functools.cache
def expected_of(make, **how):
    """Returns the expected first step of a model in which nothing is hidden."""
    (step,) = expected_steps(Way("twin", lambda: make(**how), VECTORS, TARGET), (0,)).values()
    return step


def assert_all_agree(record, expected, outputs):
    assert set(record.gradients) == set(expected.gradients)
    for path, gradient in expected.gradients.items():
        assert_is_sketch_of(record.gradients[path], gradient)
    assert set(record.activations) == set(record.activation_gradients) == set(outputs)
    for path in outputs:
        assert_is_sketch_of(record.activations[path], expected.outputs[path])
        assert_is_sketch_of(record.activation_gradients[path], expected.output_gradients[path])


class Recomputing(keras.Model):
    """Discards the outputs of its hidden layers and recomputes them in the backward pass."""

    def __init__(self):
        super().__init__(name="recomputing")
        self.first = layers.Dense(6, activation="tanh", name="first")
        self.second = layers.Dense(5, activation="relu", name="second")
        self.last = layers.Dense(2, name="last")
        self.recomputes = False
        self(VECTORS[:1])  # builds it
        self.recomputes = True

    def hidden(self, x):
        return self.second(self.first(x))

    def call(self, x):
        hidden = tf.recompute_grad(self.hidden) if self.recomputes else self.hidden
        return self.last(hidden(x))


class NotRecomputing(Recomputing):
    def __init__(self):
        super().__init__()
        self.recomputes = False


@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_what_recompute_grad_computes_twice_counts_once(how):
    expected = expected_of(NotRecomputing)
    record = first_record(Way("twin", Recomputing, VECTORS, TARGET, compile=how))

    outputs = [f"recomputing/{name}" for name in ("first", "second", "last")]
    assert_all_agree(record, expected, outputs)


# Eager only: in a graph Keras 3.15 itself fails, with or without a monitor.
def test_a_layer_under_a_remat_scope_counts_once():
    def made(mode):
        def make():
            with keras.RematScope(mode=mode):
                hidden = [layers.Dense(8, "relu"), layers.Dense(5, "tanh")]
            return keras.Sequential([keras.Input([4]), *hidden, layers.Dense(2)])

        return make

    expected = expected_of(made(None))
    eager = {"run_eagerly": True}
    record = first_record(Way("twin", made("full"), VECTORS, TARGET, compile=eager))

    assert_all_agree(record, expected, [f"sequential/dense{n}" for n in ("", "_1", "_2")])


class Hiding(keras.Model):
    """Runs one of its layers where it cannot be observed from outside, unless told not to."""

    def __init__(self, hides=True):
        super().__init__(name="hiding")
        self.inside = layers.Dense(4, activation="tanh", name="inside")
        self.outside = layers.Dense(2, name="outside")
        self.hides = False
        self(VECTORS[:1])  # builds it
        self.hides = hides

    def call(self, x):
        return self.outside(self.hidden(x) if self.hides else self.plain(x))

    def plain(self, x):
        return self.inside(x)


class InLoop(Hiding):
    def hidden(self, x):
        def body(i, value):
            return i + 1, self.inside(value)

        return tf.while_loop(lambda i, _: i < 3, body, (0, x), maximum_iterations=3)[1]

    def plain(self, x):
        return self.inside(self.inside(self.inside(x)))


class InFunction(Hiding):
    def hidden(self, x):
        return tf.function(self.inside)(x)


class InCondition(Hiding):
    def hidden(self, x):
        return tf.cond(tf.size(x) > 0, lambda: self.inside(x), lambda: x)


class InMap(Hiding):
    def hidden(self, x):
        return tf.map_fn(lambda row: self.inside(row[tf.newaxis])[0], x)


@pytest.mark.parametrize(
    ("make", "jit_compile"),
    [*((make, False) for make in (InLoop, InFunction, InCondition, InMap)), (InLoop, True)],
)
def test_a_layer_that_runs_out_of_sight_is_named_once_and_the_rest_is_recorded(make, jit_compile):
    way = Way("hiding", make, VECTORS, TARGET, compile={"jit_compile": jit_compile})
    expected = expected_of(make, hides=False)
    with pytest.warns(UserWarning, match="not recorded") as caught:
        record = first_record(way)

    (warning,) = [w for w in caught if "not recorded" in str(w.message)]
    assert str(warning.message) == (
        "The outputs of hiding/inside are not recorded: the layers are called inside a loop or "
        "function (tf.while_loop, tf.function, tf.vectorized_map), where they can't be observed. "
        "Everything else is recorded."
    )
    assert_all_agree(record, expected, ["hiding/outside"])


def test_the_cells_of_a_recurrent_layer_cause_no_warning(recwarn):
    way = Way("lstm", sequential([5, 3], lambda: layers.LSTM(4), dense(2)), SERIES, TARGET)
    record = first_record(way)

    assert list(record.activations) == ["sequential/lstm", "sequential/dense"]
    assert not recwarn.list


def test_a_layer_not_reached_by_the_loss_has_outputs_but_no_activation_gradient():
    def stopped():
        return sequential([4], dense(6), lambda: layers.Lambda(tf.stop_gradient), dense(2))()

    with pytest.warns(UserWarning, match="Gradients do not exist for variables"):
        record = first_record(Way("stopped", stopped, VECTORS, TARGET))

    assert list(record.activations) == ["sequential/dense", "sequential/dense_1"]
    assert list(record.activation_gradients) == ["sequential/dense_1"]
    assert record.without_gradient == ("sequential/dense/kernel", "sequential/dense/bias")


def test_a_layer_also_called_outside_the_tape_is_recorded_where_it_is_trained():
    class WithTeacher(keras.Model):
        def __init__(self):
            super().__init__(name="teacher")
            self.out = layers.Dense(2, name="out")
            self(VECTORS[:1])  # builds it

        def call(self, x):
            return self.out(x)

        def train_step(self, data):
            self(100 * data[0])
            return super().train_step(data)

    x = VECTORS[:8]
    record = first_record(Way("teacher", WithTeacher, VECTORS, TARGET))

    assert record.activations["teacher/out"].count == x.shape[0] * 2
    assert record.activations["teacher/out"].max_abs < 10 * np.abs(x).max()

"""Taps observe layer outputs and backpropagated signals, and leave the model unchanged."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import reset_keras
from tapped import X, gradients_of, in_modes, run

from vg_keras.capture.gradients import penalty_gradient
from vg_keras.capture.taps import Taps

PADDED = [[1, 2]], [[1, 2, 0, 0]]


@pytest.fixture(autouse=True)
def fresh_names():
    reset_keras()


@pytest.fixture(params=["eager", "graph", "xla"])
def mode(request):
    return request.param


def small_model(**how):
    return keras.Sequential(
        [keras.Input([3]), layers.Dense(4, "tanh", **how), layers.Dense(2, use_bias=False)]
    )


def taken(taps, model, gradients=()):
    """Returns the values and gradients of the calls of each layer, by its number."""
    calls, _ = taps.take(model.layers, gradients)
    return [
        [(call.value, call.gradient) for call in calls.get(id(layer), [])] for layer in model.layers
    ]


def test_outputs_and_their_backpropagated_signals_are_observed(mode):
    model = small_model()
    taps = Taps(model)

    def step():
        return taken(taps, model, gradients_of(model))

    (((hidden, to_hidden),), ((out, to_out),)) = run(mode, taps, step)
    kernel, bias, last = (v.numpy() for v in model.trainable_variables)

    assert hidden == pytest.approx(np.tanh(X @ kernel + bias), rel=1e-5)
    assert out == pytest.approx(hidden @ last, rel=1e-5)
    assert to_out == pytest.approx(out, rel=1e-5)
    assert to_hidden == pytest.approx(out @ last.T, rel=1e-5)


def test_gradients_are_bit_identical(mode):
    model = small_model(kernel_regularizer="l2")
    step = in_modes(lambda: gradients_of(model))[mode]
    expected = [gradient.numpy() for gradient in step()]
    found = run(mode, Taps(model), lambda: gradients_of(model))

    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def state_of(model):
    objects = [*model._flatten_layers(), *model.variables]
    return [{k: id(v) for k, v in vars(o).items() if not k.startswith("_inbound")} for o in objects]


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_model_is_unchanged_afterwards(error):
    model = small_model(kernel_regularizer="l2")
    gradients_of(model)
    before = state_of(model)
    during = []

    def use():
        with Taps(model).installed():
            gradients_of(model)
            during.append(state_of(model))
            if error:
                raise error

    with pytest.raises(error) if error else nullcontext():
        use()

    assert state_of(model) == before
    assert during != [before]


def test_a_layers_own_call_attribute_is_restored():
    model = small_model()
    dense = model.layers[0]
    mine = lambda x: x + 1  # noqa: E731
    vars(dense)["call"] = mine
    with Taps(model).installed():
        outputs = dense(tf.zeros([1, 3]))

    assert vars(dense)["call"] is mine
    assert outputs.numpy().tolist() == [[1, 1, 1]]


def test_without_taps_nothing_is_observed():
    model = small_model()
    taps = Taps(model)
    with taps.installed():
        pass
    gradients_of(model)

    assert taken(taps, model) == [[], []]
    assert not taps.called


def test_layers_created_during_the_first_call_are_observed():
    model = keras.Sequential([layers.Dense(4), layers.Dense(2)])
    taps = Taps(model)
    with taps.installed():
        model(X)
        shapes = [[value.shape for value, _ in calls] for calls in taken(taps, model)]

    assert shapes == [[(2, 4)], [(2, 2)]]


def test_layers_created_in_build_are_observed():
    class Block(layers.Layer):
        def build(self, shape):
            self.inner = layers.Dense(5, kernel_regularizer="l2")
            self.inner.build(shape)

        def call(self, x):
            return self.inner(x)

    model = keras.Sequential([Block()])
    taps = Taps(model)
    with taps.installed():
        model(X)
        calls, _ = taps.take([model.layers[0].inner], [])

    assert [call.value.shape for (call,) in calls.values()] == [(2, 5)]
    assert isinstance(model.layers[0].inner.kernel.regularizer, keras.regularizers.L2)
    assert "call" not in vars(model.layers[0].inner)


def test_only_the_requested_layers_are_observed():
    model = small_model()
    taps = Taps(model, lambda layer: layer is model.layers[1])
    with taps.installed():
        gradients_of(model)
        calls = taken(taps, model)

    assert [len(of_layer) for of_layer in calls] == [0, 1]


def test_layers_are_listed_in_the_order_of_their_first_calls():
    first, second = layers.Dense(3), layers.Dense(3)

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.second, self.first = second, first

        def call(self, x):
            return self.first(self.second(self.first(x)))

    taps = Taps(model := Model())
    with taps.installed():
        model(X)

    assert list(taps.called) == [id(first), id(second)]


def test_each_call_of_a_shared_layer_is_observed(mode):
    shared = layers.Dense(3, use_bias=False)
    inputs = keras.Input([3])
    model = keras.Model(inputs, shared(shared(inputs)))
    taps = Taps(model)

    def step():
        calls, _ = taps.take([shared], gradients_of(model))
        return [(call.value, call.gradient) for call in calls[id(shared)]]

    (first, to_first), (second, to_second) = run(mode, taps, step)
    kernel = shared.kernel.numpy()

    assert first == pytest.approx(X @ kernel, rel=1e-5)
    assert second == pytest.approx(first @ kernel, rel=1e-5)
    assert to_second == pytest.approx(second, rel=1e-5)
    assert to_first == pytest.approx(second @ kernel.T, rel=1e-5)


def test_masks_are_passed_on():
    seen = []

    class Looks(layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x, mask=None):
            seen.append(mask)
            return x

    model = keras.Sequential([layers.Embedding(5, 2, mask_zero=True), Looks()])
    with Taps(model).installed():
        model(tf.constant([[1, 2, 0]]))

    assert seen[-1].numpy().tolist() == [[True, True, False]]


def test_masking_still_works_behind_a_tapped_layer(mode):
    model = keras.Sequential([layers.Embedding(5, 2, mask_zero=True), layers.LSTM(3)])
    model.build([None, 4])
    short, long = (run(mode, Taps(model), lambda t=t: model(tf.constant(t))) for t in PADDED)

    assert long == pytest.approx(short, rel=1e-6)


def test_the_first_floating_point_output_of_several_is_observed():
    class Several(layers.Layer):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=[], initializer="ones", name="scale")

        def call(self, x):
            return {"a": tf.constant([1]), "b": 2 * x * self.scale, "c": 3 * x}

    several = Several()
    taps = Taps(model := keras.Sequential([several]))
    with taps.installed():
        outputs = several(X)
        (call,) = taps.take([several], [])[0][id(several)]

    assert np.array_equal(call.value, 2 * X)
    assert [np.asarray(outputs[name]).tolist() for name in "abc"] == [
        [1],
        (2 * X).numpy().tolist(),
        (3 * X).numpy().tolist(),
    ]
    assert model.layers == [several]


def penalties(taps, model, gradients):
    """Returns what regularizers add to the gradients of their variables, by variable id."""
    _, passes = taps.take(model.layers, [g for g in gradients if g is not None])
    regularizers = {id(v): (v.regularizer, tf.convert_to_tensor(v)) for v in model.variables}
    with taps.paused():
        return {
            key: penalty_gradient(*regularizers[key], by_penalty)
            for key, by_penalty in taps.take_penalties(passes).items()
        }


def test_the_regularizers_part_of_a_gradient_is_observed(mode):
    model = small_model(kernel_regularizer=keras.regularizers.L2(0.5))
    taps, (kernel, bias, _) = Taps(model), model.trainable_variables

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(X)) + 3 * sum(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        added = penalties(taps, model, gradients)
        return added[id(kernel)], id(bias) not in added

    penalty, is_none = run(mode, taps, step)

    assert penalty == pytest.approx(3 * kernel.numpy(), rel=1e-6)  # 3 * d(0.5 w**2)/dw
    assert is_none


def test_a_penalty_computed_twice_is_summed(mode):
    model = small_model(kernel_regularizer=keras.regularizers.L2(0.5))
    taps, kernel = Taps(model), model.layers[0].kernel

    def step():
        with tf.GradientTape() as tape:
            model(X)
            loss = sum(model.losses) + 2 * sum(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        return penalties(taps, model, gradients)[id(kernel)]

    assert run(mode, taps, step) == pytest.approx(3 * kernel.numpy(), rel=1e-6)


def test_a_step_discards_what_the_previous_one_left():
    model = small_model()
    taps = Taps(model)
    with taps.installed():
        gradients_of(model)
        taps.begin_step()

        assert taken(taps, model) == [[], []]

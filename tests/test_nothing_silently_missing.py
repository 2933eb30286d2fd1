"""Almost everything is recorded; whatever is not is named, with the reason."""

from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from reference import assert_is_sketch_of
from small_models import compiled, fit, regression_data, reset_keras

from vg_keras import GradientMonitor
from vg_keras.capture import encode

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

X, Y = regression_data(4)
TRACED = {"graph": {}, "eager": {"run_eagerly": True}}
"""The ways in which Python runs the step differently; XLA compiles what was traced for a graph."""
WAYS = {**TRACED, "xla": {"jit_compile": True}}
traced = pytest.mark.parametrize("how", TRACED.values(), ids=TRACED)
ways = pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)


def monitored(model, x=X, y=Y, freq="batch", **how):
    monitor = GradientMonitor(None, freq)
    fit(model, x, y, [monitor], **how)
    return monitor


def messages(caught):
    return [str(w.message) for w in caught if "recorded" in str(w.message)]


@traced
@pytest.mark.parametrize("activation", ["sigmoid", tf.nn.sigmoid, tf.nn.softmax])
def test_hidden_layers_with_any_activation_have_activation_gradients(activation, how):
    reset_keras()
    hidden = [layers.Dense(8, activation) for _ in range(2)]
    model = keras.Sequential([keras.Input([4]), *hidden, layers.Dense(2)])
    record = monitored(compiled(model, **how)).records[0]

    assert list(record.activation_gradients) == [
        "sequential/dense",
        "sequential/dense_1",
        "sequential/dense_2",
    ]


# In eager mode Keras does not know the logits behind an output of `tf.nn`.
@pytest.mark.parametrize(
    ("activation", "how"),
    [
        *(("sigmoid", how) for how in TRACED.values()),
        (tf.nn.sigmoid, {}),
        (tf.nn.sigmoid, WAYS["xla"]),
    ],
)
def test_an_output_with_a_loss_on_logits_and_a_penalty_has_the_loss_gradient(activation, how):
    # The loss is computed from the logits and the penalty from the output.
    reset_keras()
    out = layers.Dense(1, activation, activity_regularizer=keras.regularizers.L2(1e-6))
    model = compiled(keras.Sequential([keras.Input([4]), out]), loss="binary_crossentropy", **how)
    labels = np.arange(32)[:, np.newaxis] % 2
    before = model(X).numpy()
    record = monitored(model, X, labels, batch_size=32).records[0]

    norm = record.activation_gradients["sequential/dense"].norm
    assert norm == pytest.approx(np.linalg.norm((before - labels) / 32), rel=1e-3)


class Parts(keras.Model):
    """A critic and a generator, each trained by an optimizer that a subclass stores somewhere."""

    def __init__(self):
        super().__init__(name="parts")
        self.critic = layers.Dense(1, name="critic")
        self.generator = layers.Dense(4, name="generator")
        self(X[:1])  # builds it

    def call(self, x):
        return self.critic(self.generator(x))

    def optimizers_of_parts(self):
        return self.optimizer, self.optimizer

    def train_step(self, data):
        x = data[0]
        parts = (self.critic, self.generator)
        for part, optimizer in zip(parts, self.optimizers_of_parts(), strict=True):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(self(x) ** 2)
            optimizer.apply(tape.gradient(loss, part.trainable_variables), part.trainable_variables)
        return {"loss": loss}


GLOBAL = {}


class InGlobal(Parts):
    def optimizers_of_parts(self):
        return self.optimizer, GLOBAL["generator"]


class InPart(Parts):
    def __init__(self):
        super().__init__()
        self.critic.its_optimizer = keras.optimizers.SGD(0.1)

    def optimizers_of_parts(self):
        return self.critic.its_optimizer, self.optimizer


class InNestedDictionary(Parts):
    def __init__(self):
        super().__init__()
        self.kept = {"optimizers": {"critic": keras.optimizers.SGD(0.1)}}

    def optimizers_of_parts(self):
        return self.kept["optimizers"]["critic"], self.optimizer


PLACES = [InGlobal, InPart, InNestedDictionary]


@pytest.mark.parametrize(
    ("kind", "how"), [*product(PLACES, [{}]), (InNestedDictionary, TRACED["eager"])]
)
def test_an_optimizer_is_found_wherever_it_is_stored(kind, how):
    reset_keras()
    GLOBAL["generator"] = keras.optimizers.SGD(0.1)
    model = compiled(kind(), loss=None, **how)
    record = monitored(model).records[0]

    assert len(record.gradients) == len(record.update_norms) == 4
    assert set(record.activation_gradients) == {"parts/critic", "parts/generator"}


@traced
def test_two_loss_scale_optimizers_are_counted_once(how):
    reset_keras()
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=8.0)
    GLOBAL["generator"] = scaled
    model = compiled(InGlobal(), loss=None, **how)
    record = monitored(model).records[0]

    # The loss was not scaled, but the optimizer assumes that it was.
    assert len(record.gradients) == 4
    assert record.gradients["parts/generator/kernel"].norm > 0


@ways
def test_the_output_of_a_quantized_layer_is_recorded(how):
    reset_keras()
    hidden, out = layers.Dense(8, "relu", name="hidden"), layers.Dense(2, name="out")
    model = keras.Sequential([keras.Input([4]), hidden, out])
    for layer in model.layers:
        layer.quantize("int8")
        layer.enable_lora(2)
    record = monitored(compiled(model, **how)).records[0]

    assert list(record.activations) == ["sequential/hidden", "sequential/out"]
    assert list(record.activation_gradients) == ["sequential/hidden", "sequential/out"]


class LooksUp(keras.Model):
    """Looks up rows of a layer's output, as graph networks do."""

    def __init__(self):
        super().__init__(name="model")
        self.encoder, self.out = layers.Dense(8, name="encoder"), layers.Dense(2, name="out")
        self(np.arange(2))  # builds it

    def call(self, indices):
        return self.out(tf.gather(self.encoder(tf.constant(X)), indices))


@ways
def test_a_sparse_activation_gradient_is_recorded_as_if_dense(how):
    reset_keras()
    model = compiled(LooksUp(), **how)
    indices = np.array([3, 5, 3, 3, 0, 1, 5, 2])
    with tf.GradientTape() as tape:
        encoded = model.encoder(tf.constant(X))
        tape.watch(encoded)
        loss = tf.reduce_mean((model.out(tf.gather(encoded, indices)) - Y[:8]) ** 2)
    expected = tf.convert_to_tensor(tape.gradient(loss, encoded)).numpy()
    record = monitored(model, indices, Y[:8]).records[0]

    assert_is_sketch_of(record.activation_gradients["model/encoder"], expected)


class Filter(layers.Layer):
    """Learns in the frequency domain."""

    def build(self, shape):
        def initial(shape, dtype=None):
            return tf.complex(tf.ones(shape), tf.ones(shape))

        self.gain = self.add_weight(
            shape=[shape[-1]], dtype="complex64", initializer=initial, autocast=False, name="gain"
        )

    def call(self, x):
        return tf.math.real(tf.signal.ifft(tf.signal.fft(tf.cast(x, tf.complex64)) * self.gain))


@traced
def test_a_complex_variable_is_recorded_as_real_and_imaginary_parts(how):
    reset_keras()
    model = keras.Sequential([keras.Input([4]), layers.Dense(4), Filter(name="filter")])
    model = compiled(model, keras.optimizers.SGD(0.5), **how)
    path = "sequential/filter/gain"
    before = model.layers[1].gain.numpy()
    monitor = monitored(model, X, X, batch_size=32)
    after, record = model.layers[1].gain.numpy(), monitor.records[0]

    assert len(record.gradients) == 3
    assert record.gradients[path].count == 2 * 4
    assert record.gradients[path].norm == pytest.approx(np.linalg.norm(after - before) / 0.5)
    assert record.weight_norms[path] == pytest.approx(np.linalg.norm(before))
    assert record.update_norms[path] == pytest.approx(np.linalg.norm(after - before))


class Hides(keras.Model):
    """Calls a layer in a tf.function."""

    def __init__(self):
        super().__init__(name="hides")
        self.inner, self.out = layers.Dense(8, name="inner"), layers.Dense(2, name="out")
        self(X[:1])  # builds it

    @tf.function
    def hidden(self, x):
        return self.inner(x)

    def call(self, x):
        return self.out(self.hidden(x))


class UsesTheKernelAlone(Hides):
    """Multiplies by the kernel of a layer that it does not call."""

    def call(self, x):
        if not self.inner.built:
            self.inner.build(x.shape)
        return self.out(x @ self.inner.kernel + self.inner.bias)


HIDDEN = (
    "the layers are called inside a loop or function (tf.while_loop, tf.function, "
    "tf.vectorized_map), where they can't be observed"
)


@traced
@pytest.mark.parametrize(
    ("make", "is_trained_before", "reason"),
    [
        (
            Hides,
            True,
            HIDDEN,
        ),
        (UsesTheKernelAlone, False, "the layers were not called while the step was traced"),
    ],
    ids=["in a function that was traced before", "trained and not called"],
)
def test_a_layer_whose_output_cannot_be_observed_is_named(make, is_trained_before, reason, how):
    reset_keras()
    model = compiled(make(), **how)
    if is_trained_before:
        fit(model, X, Y)
    with pytest.warns(UserWarning, match="not recorded") as caught:
        record = monitored(model).records[0]

    (message,) = messages(caught)
    assert message == (
        f"The outputs of hides/inner are not recorded: {reason}. Everything else is recorded."
    )
    assert list(record.activations) == ["hides/out"]
    assert len(record.gradients) == 4


class TrainsOnePart(Parts):
    """Trains its critic only; nothing trains the generator."""

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self(data[0]) ** 2)
        variables = self.critic.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


@traced
@pytest.mark.parametrize("freq", ["batch", "epoch"])
def test_variables_that_no_optimizer_receives_are_named_once(freq, how):
    reset_keras()
    model = compiled(TrainsOnePart(), loss=None, **how)
    with pytest.warns(UserWarning, match="not recorded") as caught:
        monitored(model, freq=freq)

    (message,) = messages(caught)
    assert message == (
        "The gradients of parts/generator/kernel, parts/generator/bias are not recorded: no Keras "
        "optimizer received any. Everything else is recorded."
    )


class TrainsEverySecond(Parts):
    """Trains its generator in every second step only."""

    def train_step(self, data):
        parts = [self.critic] + ([self.generator] if self.optimizer.iterations % 2 else [])
        for part in parts:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(self(data[0]) ** 2)
            variables = part.trainable_variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


def test_variables_recorded_in_the_second_step_cause_no_warning(recwarn):
    reset_keras()
    model = compiled(TrainsEverySecond(), loss=None, run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    monitor = monitored(model)

    assert not recwarn.list
    assert {len(record.gradients) for record in monitor.records} == {2, 4}


def test_a_layer_without_floating_point_outputs_is_named():
    class Counts(layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=[], name="scale", trainable=False)

        def call(self, x):
            return tf.cast(tf.round(x), tf.int32)

    reset_keras()
    counts = Counts(name="counts")
    model = keras.Sequential(
        [keras.Input([4]), counts, layers.Embedding(50, 2), layers.Flatten(), layers.Dense(2)]
    )
    with pytest.warns(UserWarning, match="not recorded") as caught:
        monitored(compiled(model), np.abs(X), Y)

    (message,) = messages(caught)
    assert message == (
        "The outputs of sequential/counts are not recorded: there is no floating-point tensor "
        "among them. Everything else is recorded."
    )


@traced
def test_one_unmeasurable_tensor_does_not_affect_the_others(monkeypatch, how):
    sketch_all = encode.sketch_all

    def sketch_most(tensors):
        if any(tensor.shape == [4, 3] for tensor in tensors):
            raise ValueError("by the test")
        return sketch_all(tensors)

    monkeypatch.setattr(encode, "sketch_all", sketch_most)
    reset_keras()
    model = keras.Sequential([keras.Input([4]), layers.Dense(3, name="odd"), layers.Dense(2)])
    with pytest.warns(UserWarning, match="not recorded") as caught:
        record = monitored(compiled(model, **how)).records[0]

    (message,) = messages(caught)
    assert message == (
        "The gradients of sequential/odd/kernel are not recorded: measuring them fails: "
        "ValueError('by the test'). Everything else is recorded."
    )
    assert list(record.gradients) == [
        "sequential/odd/bias",
        "sequential/dense/kernel",
        "sequential/dense/bias",
    ]
    assert list(record.activations) == ["sequential/odd", "sequential/dense"]

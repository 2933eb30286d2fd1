"""Training with the monitor gives the same weights as training without it, bit for bit."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from reference import weights_of
from small_models import compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor

pytestmark = pytest.mark.slow


def normalised_model_with_dropout():
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input([4]),
            layers.Dense(8, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Dropout(0.3, seed=1),
            layers.Dense(2),
        ]
    )


def trained(callbacks, shuffle=False, **how):
    x, y = regression_data(num_batches=5)
    optimizer = keras.optimizers.SGD(0.1)
    model = compiled(normalised_model_with_dropout(), optimizer, metrics=["mae"], **how)
    history = fit(model, x, y, callbacks, epochs=2, shuffle=shuffle)
    return model, history


WAYS = {
    "graph": {},
    "eager": {"run_eagerly": True},
    "several steps": {"steps_per_execution": 3},
}


@functools.cache
def trained_without_monitor(way="graph"):
    """The weights and the history of a training run without a monitor."""
    model, history = trained([], **WAYS[way])
    return weights_of(model), history.history


@pytest.fixture(scope="module", params=WAYS)
def way_and_trained_with_monitor(request, tmp_path_factory):
    """Each way, and the weights and the history of a training run with a monitor that writes."""
    monitor = GradientMonitor(tmp_path_factory.mktemp("logs"), "batch")
    model, history = trained([monitor], **WAYS[request.param])
    return request.param, weights_of(model), history.history


def test_weights_are_the_same(way_and_trained_with_monitor):
    way, weights, _ = way_and_trained_with_monitor

    assert weights == trained_without_monitor(way)[0]


def test_the_history_is_the_same(way_and_trained_with_monitor):
    way, _, history = way_and_trained_with_monitor

    assert history == trained_without_monitor(way)[1]


UNDER_XLA = {
    "one step": {"jit_compile": True},
    "several steps": {"jit_compile": True, "steps_per_execution": 3},
}


@pytest.mark.parametrize("how", UNDER_XLA.values(), ids=UNDER_XLA)
def test_weights_of_a_perceptron_are_the_same_under_xla(how):
    def trained_perceptron(callbacks):
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        model = compiled(mlp(), **how)
        fit(model, *regression_data(num_batches=5), callbacks, epochs=2)
        return weights_of(model)

    assert trained_perceptron([GradientMonitor(None, "batch")]) == trained_perceptron([])


def test_weights_next_to_batch_normalization_differ_by_rounding_only_under_xla():
    # Sketching the gradient of gamma changes which operations XLA fuses, hence the order of
    # additions and the last bits of a step.
    with_monitor, _ = trained([GradientMonitor(None, "batch")], jit_compile=True)
    without, _ = trained([], jit_compile=True)

    for ours, theirs in zip(with_monitor.get_weights(), without.get_weights(), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)


def test_weights_are_the_same_if_some_steps_are_recorded():
    with_monitor, _ = trained([GradientMonitor(None, 3)])

    assert weights_of(with_monitor) == trained_without_monitor()[0]


def test_weights_are_the_same_if_only_some_variables_are_recorded():
    with_monitor, _ = trained([GradientMonitor(None, "batch", variables="*/kernel")])

    assert weights_of(with_monitor) == trained_without_monitor()[0]


def test_shuffling_is_the_same():
    with_monitor, _ = trained([GradientMonitor(None, "batch")], shuffle=True)
    without, _ = trained([], shuffle=True)

    assert weights_of(with_monitor) == weights_of(without)


OPTIMIZERS = {
    "accumulation": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=3),
    "clipping": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.01),
    "average": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2),
    "decay": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_weights_are_the_same_with_every_optimizer_option(optimizer):
    def trained_with(callbacks):
        model = compiled(mlp(depth=0), optimizer())
        fit(model, *regression_data(num_batches=5), callbacks)
        return weights_of(model)

    assert trained_with([GradientMonitor(None, "batch")]) == trained_with([])


def of_shape(shape, *inner, dtype=None):
    return lambda: keras.Sequential([keras.Input(shape, dtype=dtype), *(make() for make in inner)])


def attention():
    inputs = keras.Input([5, 3])
    attended = layers.MultiHeadAttention(2, 3)(inputs, inputs)
    pooled = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(inputs + attended))
    return keras.Model(inputs, layers.Dense(3, "softmax")(pooled))


NETWORKS = {
    "softmax": of_shape([4], lambda: layers.Dense(8, "relu"), lambda: layers.Dense(3, "softmax")),
    "softmax of tf.nn": of_shape(
        [4], lambda: layers.Dense(3), lambda: layers.Activation(tf.nn.softmax)
    ),
    "sigmoid, regularised": of_shape(
        [4],
        lambda: layers.Dense(8, "sigmoid", kernel_regularizer="l2", activity_regularizer="l1"),
        lambda: layers.Dense(3, "softmax", bias_regularizer="l1"),
    ),
    "convolution": of_shape(
        [8, 8, 2],
        lambda: layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization,
        layers.MaxPooling2D,
        layers.Flatten,
        lambda: layers.Dense(3, "softmax"),
    ),
    "masked LSTM": of_shape(
        [5],
        lambda: layers.Embedding(10, 4, mask_zero=True),
        lambda: layers.LSTM(4),
        lambda: layers.Dense(3, "softmax"),
        dtype="int32",
    ),
    "attention": attention,
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_weights_of_any_classifier_are_the_same(make):
    def trained_classifier(callbacks):
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        model = make()
        shape = (40, *model.input_shape[1:])
        generator = np.random.default_rng(0)
        is_integer = model.inputs[0].dtype == "int32"
        x = generator.integers(0, 10, shape) if is_integer else generator.normal(size=shape)
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
        compiled(model, optimizer, loss="sparse_categorical_crossentropy")
        fit(model, x, np.arange(40) % 3, callbacks, epochs=2)
        return weights_of(model)

    with_monitor = trained_classifier([GradientMonitor(None, 2, weights=True)])

    assert with_monitor == trained_classifier([])


@pytest.mark.parametrize("activation", ["sigmoid", tf.nn.sigmoid])
def test_weights_are_the_same_if_the_loss_uses_the_logits_of_the_output(activation):
    def trained_classifier(callbacks):
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        model = of_shape([4], lambda: layers.Dense(1, activation=activation))()
        compiled(model, loss="binary_crossentropy")
        # Outputs so close to 0 and 1 that a loss computed from them would be clipped.
        fit(model, 1e3 * regression_data(5)[0], np.arange(40) % 2, callbacks)
        return weights_of(model)

    assert trained_classifier([GradientMonitor(None, "batch")]) == trained_classifier([])

"""The monitor measures the factors per layer that theory predicts for real networks.

References:
    X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural
    networks, AISTATS 2010, equations 13 and 14: under the standard initialization the
    backpropagated signal shrinks by sqrt(1/3) per layer, and the weight gradients stay flat.
    S. Schoenholz et al., Deep Information Propagation, ICLR 2017: the factor is sqrt(chi), which is
    0.2360 for sigmoid under Glorot's initialization.
"""

import functools

import keras
import numpy as np
import pytest
from small_models import compiled, fit, reset_keras

from vg_keras import GradientMonitor

pytestmark = pytest.mark.slow

DEPTH, WIDTH, SEEDS = 10, 512, range(3)


@functools.cache
def records_at_start(activation, initializer):
    """Records one step for each seed of the weights, on random inputs and labels.

    One model runs the steps of all: tracing it takes longer than running it.
    """
    reset_keras()
    hidden = [keras.layers.Dense(WIDTH, activation=activation) for _ in range(DEPTH)]
    model = keras.Sequential([keras.Input([WIDTH]), *hidden, keras.layers.Dense(10, "softmax")])
    compiled(model, loss="sparse_categorical_crossentropy")
    before, monitor = model.get_weights(), GradientMonitor(None, "batch")
    for seed in SEEDS:
        model.set_weights(before)
        for i, layer in enumerate(hidden):
            layer.kernel.assign(initializer(seed, i)([WIDTH, WIDTH]))
        random = np.random.default_rng(seed)
        x, labels = random.normal(size=[256, WIDTH]), random.integers(0, 10, 256)
        fit(model, x.astype(np.float32), labels, [monitor], batch_size=256)
    assert len(monitor.records) == len(SEEDS)
    return monitor.records


def standard(seed, layer):
    bound = 1 / np.sqrt(WIDTH)
    return keras.initializers.RandomUniform(-bound, bound, seed=100 * seed + layer)


def glorot(seed, layer):
    return keras.initializers.GlorotUniform(seed=100 * seed + layer)


def factor_per_layer(values):
    """Returns the geometric mean of the ratio of each hidden layer to the next."""
    return (values[0] / values[-1]) ** (1 / (len(values) - 1))


def factors(activation, initializer, number):
    records = records_at_start(activation, initializer)
    return np.mean([factor_per_layer(number(record)) for record in records])


def signal(record):
    return [sketch.rms for sketch in record.activation_gradients.values()][:DEPTH]


def weight_gradients(record):
    kernels = [s for path, s in record.gradients.items() if path.endswith("kernel")]
    return [sketch.mean_abs for sketch in kernels][:DEPTH]


def test_the_tanh_signal_shrinks_by_glorots_factor_under_standard_initialization():
    assert factors("tanh", standard, signal) == pytest.approx(0.5774, rel=0.05)


def test_the_weight_gradients_of_the_same_network_stay_flat():
    assert factors("tanh", standard, weight_gradients) == pytest.approx(1, rel=0.05)


def test_the_sigmoid_signal_shrinks_by_the_mean_field_factor_under_glorot():
    assert factors("sigmoid", glorot, signal) == pytest.approx(0.236, rel=0.05)

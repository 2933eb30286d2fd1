"""The first step of random networks, against an independent tape."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments.common import mlp
from experiments.common.first_steps import BATCH_SIZE, FirstSteps


def test_signal_and_weight_gradients_of_a_first_step_equal_a_tapes():
    network = mlp.network("tanh", 3, 7, "glorot_uniform", inputs=5)
    before = network.get_weights()
    step = FirstSteps(seed=3).of(network)
    random = np.random.default_rng(3)
    random.normal(size=[BATCH_SIZE, 5])
    labels = random.integers(0, 10, BATCH_SIZE)
    with tf.GradientTape(persistent=True) as tape:
        outputs = [tf.constant(step.x)]
        for layer in network.layers[1:]:
            outputs.append(layer(outputs[-1]))
        losses = keras.losses.sparse_categorical_crossentropy(labels, outputs[-1])
        loss = tf.reduce_mean(losses)
    signal = [np.sqrt(np.mean(tape.gradient(loss, y).numpy() ** 2)) for y in outputs[1:4]]
    kernels = [layer.kernel.value for layer in network.layers[1:4]]
    weights = [np.mean(np.abs(tape.gradient(loss, kernel).numpy())) for kernel in kernels]

    assert step.signal == pytest.approx(signal, rel=1e-4)
    assert step.weight_gradients == pytest.approx(weights, rel=1e-4)
    assert all(map(np.array_equal, before, network.get_weights()))


def test_inputs_of_the_requested_size_are_redrawn_for_each_network():
    steps = FirstSteps(seed=0)
    networks = [mlp.network("relu", 2, 8, "he_normal", inputs=100) for _ in range(2)]
    first, second = (steps.of(network, input_rms=0.1) for network in networks)

    assert not np.array_equal(networks[0].get_weights()[0], networks[1].get_weights()[0])
    assert first.x.shape == (BATCH_SIZE, 100)
    assert np.std(first.x) == pytest.approx(0.1, rel=0.02)
    assert not np.array_equal(first.x, second.x)

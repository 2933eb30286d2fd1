"""Runs steps with taps installed: eagerly, in a graph and under XLA."""

import numpy as np
import tensorflow as tf

X = tf.constant([[1.0, -2.0, 3.0], [0.5, 1.0, -1.0]])


def in_modes(step):
    """Runs a step as a train function would, and returns its tensors as arrays."""
    return {
        "eager": step,
        "graph": tf.function(step, autograph=False),
        "xla": tf.function(step, autograph=False, jit_compile=True),
    }


def run(mode, taps, step):
    """The arrays that a step returns, run with the taps installed."""
    with taps.installed():
        return tf.nest.map_structure(np.asarray, in_modes(step)[mode]())


def gradients_of(model, x=X):
    """Differentiates half of the sum of squares of the outputs, whose gradient is the outputs."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(x) ** 2) / 2
    return tape.gradient(loss, model.trainable_variables)

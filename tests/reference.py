"""Reference gradients, computed without any part of vg_keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf


def norms_by_weight_changes(model, x, y, learning_rate, batch_size, epochs=1):
    """Returns the gradient norms of each step, derived from what plain SGD does to the weights.

    Trains the model batch by batch. Returns one dictionary per step, by path.
    """
    steps = []
    for _ in range(epochs):
        for start in range(0, len(x), batch_size):
            before = {v.path: v.numpy() for v in model.trainable_variables}
            model.train_on_batch(x[start : start + batch_size], y[start : start + batch_size])
            steps.append(
                {
                    v.path: np.linalg.norm(before[v.path].astype(np.float64) - v.numpy())
                    / learning_rate
                    for v in model.trainable_variables
                }
            )
    return steps


def gradients_by_tape(model, x, y, sample_weight=None, training=True):
    """Returns dense float64 gradients of the compiled loss at the current weights, by path."""
    with tf.GradientTape() as tape:
        predictions = model(x, training=training)
        loss = model.compute_loss(x, y, predictions, sample_weight)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    return {
        v.path: tf.convert_to_tensor(g).numpy().astype(np.float64)
        for v, g in zip(model.trainable_variables, gradients, strict=True)
        if g is not None
    }


def sigmoid_gradients(weights, x, y):
    """Backpropagates the mean squared error through sigmoid layers and a linear output layer.

    Everything is float64. `weights` are kernel, bias, kernel, bias, ..., and so are the gradients.
    """
    kernels, biases = weights[::2], weights[1::2]
    activations = [x.astype(np.float64)]
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        activations.append(1 / (1 + np.exp(-(activations[-1] @ kernel + bias))))
    error = activations[-1] @ kernels[-1] + biases[-1] - y
    delta = 2 * error / error.size
    gradients = []
    for layer in reversed(range(len(kernels))):
        gradients = [activations[layer].T @ delta, delta.sum(axis=0), *gradients]
        a = activations[layer]
        delta = (delta @ kernels[layer].T) * a * (1 - a)
    return gradients


def assert_is_sketch_of(sketch, gradient, rel=1e-4):
    """Checks everything that a sketch contains against the elements of a gradient."""
    gradient = np.asarray(gradient, np.float64)
    scale = np.abs(gradient).max()
    assert sketch.count == gradient.size
    assert sketch.norm == pytest.approx(np.linalg.norm(gradient), rel=rel)
    assert sketch.l1_norm == pytest.approx(np.abs(gradient).sum(), rel=rel)
    assert sketch.sum == pytest.approx(gradient.sum(), rel=rel, abs=rel * np.abs(gradient).sum())
    assert sketch.min == pytest.approx(gradient.min(), rel=rel, abs=rel * scale)
    assert sketch.max == pytest.approx(gradient.max(), rel=rel, abs=rel * scale)


def weights_of(model):
    """Returns the bytes of all weights and of the optimizer's state, for bitwise comparison."""
    optimizer = model.optimizer
    optimizers = [optimizer] if isinstance(optimizer, keras.optimizers.Optimizer) else []
    variables = [*model.variables, *(v for o in optimizers for v in o.variables)]
    return [(v.name, v.numpy().tobytes()) for v in variables]

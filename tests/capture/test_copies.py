"""Tensors are recomputed where an additional reader would prevent Grappler from fusing them."""

import numpy as np
import pytest
import tensorflow as tf

from vg_keras.capture.copies import copies

X = tf.constant(np.random.default_rng(0).normal(size=[8, 5]), tf.float32)


def step(activation, chosen):
    """Trains a layer, and reads a copy of one of its tensors."""
    kernel, bias = tf.Variable(tf.ones([5, 3]) / 3), tf.Variable(tf.ones([3]) / 7)
    found = {}

    @tf.function(autograph=False)
    def train():
        with tf.GradientTape() as tape:
            product = tf.matmul(X, kernel)
            biased = tf.nn.bias_add(product, bias)
            output = activation(biased)
            loss = tf.reduce_mean(output**2)
        gradient, _ = tape.gradient(loss, [kernel, bias])
        tensors = {"product": product, "biased": biased, "output": output, "gradient": gradient}
        kernel.assign_sub(0.1 * gradient)
        graph = tf.compat.v1.get_default_graph()
        roots = [op for op in graph.get_operations() if op.op_def and op.op_def.is_stateful]
        (found["copy"],) = copies([tensors[chosen]], [gradient.op, *roots])
        found["original"] = tensors[chosen]
        return tensors[chosen], found["copy"]

    values = [tensor.numpy() for tensor in train()]
    return found["copy"] is not found["original"], values


@pytest.mark.parametrize("chosen", ["product", "biased", "output", "gradient"])
@pytest.mark.parametrize("activation", [tf.tanh, tf.nn.relu, tf.nn.gelu, tf.identity])
def test_a_copy_has_the_values_of_the_original(activation, chosen):
    _, (original, copy) = step(activation, chosen)

    assert copy == pytest.approx(original, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(("chosen", "is_copied"), [("biased", True), ("output", False)])
def test_only_tensors_that_the_backward_pass_does_not_read_are_copied(chosen, is_copied):
    assert step(tf.tanh, chosen)[0] is is_copied


def test_random_numbers_are_not_drawn_twice():
    @tf.function(autograph=False)
    def draw():
        noise = tf.random.normal([4])
        return noise, *copies([noise], [])

    noise, copy = draw()

    assert np.array_equal(copy, noise)


def test_tensors_may_be_repeated_and_numerous():
    @tf.function(autograph=False)
    def train(x):
        parts = [x + float(i) for i in range(70)]
        found = copies([*parts, parts[3]], [])
        return tf.stack(found), tf.stack([*parts, parts[3]])

    copied, originals = train(X)

    assert np.array_equal(copied, originals)

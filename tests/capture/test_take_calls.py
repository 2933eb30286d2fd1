"""Which calls of a layer belong to the gradients that are passed to an optimizer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import reset_keras
from tapped import X, gradients_of, run

from vg_keras.capture.taps import Taps


@pytest.fixture(autouse=True)
def fresh_names():
    reset_keras()


@pytest.fixture(params=["eager", "graph", "xla"])
def mode(request):
    return request.param


def taken(taps, layer, gradients=()):
    """Returns the values and gradients of the calls that are taken of one layer."""
    calls = taps.take([layer], gradients)[0].get(id(layer), [])
    return [(c.value, np.nan if c.gradient is None else c.gradient) for c in calls]


def values(calls):
    return [value for value, _ in calls]


def approx(expected):
    return pytest.approx(np.asarray(expected), rel=1e-5, abs=1e-6)


def test_each_call_is_taken_once():
    model = keras.Sequential([keras.Input([3]), layers.Dense(2)])
    taps = Taps(model)
    with taps.installed():
        gradients = gradients_of(model)
        lengths = [len(taken(taps, model.layers[0], gradients)) for _ in range(2)]

    assert lengths == [1, 0]


def test_an_uncalled_layer_has_no_calls():
    model = keras.Sequential([keras.Input([3]), layers.Dense(2)])
    taps = Taps(model)
    with taps.installed():
        assert taps.take(model.layers, []) == ({}, [])


def test_all_calls_are_taken_if_none_has_a_gradient(mode):
    model = keras.Sequential([keras.Input([3]), layers.Dense(2)])
    taps = Taps(model)

    def step():
        first, second = model(X), model(2 * X)
        return values(taken(taps, model.layers[0])), [first, second]

    found, outputs = run(mode, taps, step)

    assert len(found) == 2
    assert found == [approx(output) for output in outputs]


def test_only_calls_with_a_gradient_are_taken_if_any_has_one(mode):
    # For example, a separate forward pass for a metric.
    model = keras.Sequential([keras.Input([3]), layers.Dense(2)])
    taps = Taps(model)

    def step():
        model(5 * X)
        gradients = gradients_of(model)
        model(7 * X)
        return values(taken(taps, model.layers[0], gradients)), model(X)

    found, output = run(mode, taps, step)

    assert len(found) == 1
    assert found[0] == approx(output)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_recomputed_forward_pass_is_counted_once(mode):
    class Recomputes(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(4, "tanh", use_bias=False)
            self.out = layers.Dense(2, use_bias=False)
            self.inner.build([None, 3])
            self.out.build([None, 4])

        def call(self, x):
            return self.out(tf.recompute_grad(self.inner)(x))

    model = Recomputes()
    taps = Taps(model)

    def step():
        gradients = gradients_of(model)
        return taken(taps, model.inner, gradients), taken(taps, model.out, gradients)

    (((inner, to_inner),), ((out, to_out),)) = run(mode, taps, step)

    assert inner == approx(np.tanh(X @ model.inner.kernel.numpy()))
    assert to_out == approx(out)
    assert to_inner == approx(out @ model.out.kernel.numpy().T)


class Gan(keras.Model):
    """A generator and a critic; the losses are sums of the critic's outputs."""

    def __init__(self):
        super().__init__()
        self.generator = layers.Dense(2, use_bias=False, name="generator")
        self.critic = layers.Dense(1, use_bias=False, name="critic")
        self.generator.build([None, 3])
        self.critic.build([None, 2])

    def generator_gradients(self):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_sum(self.critic(self.generator(X)))
        return tape.gradient(loss, self.generator.trainable_variables)

    def critic_gradients(self, real):
        with tf.GradientTape() as tape:
            fake = tf.reduce_sum(self.critic(self.generator(X)))
            loss = 3 * fake - 2 * tf.reduce_sum(self.critic(real))
        return tape.gradient(loss, self.critic.trainable_variables)


REAL = tf.constant([[1.0, 1.0], [2.0, -1.0], [0.0, 3.0]])


def check_critic(calls, gan):
    """The critic's derivative is that of its own loss: 3 for fake examples, -2 for real ones."""
    kernel = gan.critic.kernel.numpy()
    fake = X @ gan.generator.kernel.numpy()

    assert [value.shape for value, _ in calls] == [(2, 1), (3, 1)]
    assert calls[0][0] == approx(fake @ kernel)
    assert calls[1][0] == approx(REAL @ kernel)
    assert [np.unique(gradient).tolist() for _, gradient in calls] == [[3], [-2]]


def check_generator(calls, gan):
    """The generator's derivative is that of its own loss, which multiplies the critic by -1."""
    kernel = gan.critic.kernel.numpy()
    ((value, gradient),) = calls

    assert value == approx(X @ gan.generator.kernel.numpy())
    assert gradient == approx(-np.ones([2, 1]) @ kernel.T)


def test_each_part_of_a_gan_with_the_generator_first_uses_its_own_loss(mode):
    gan = Gan()
    taps = Taps(gan)

    def step():
        generator = taken(taps, gan.generator, gan.generator_gradients())
        return generator, taken(taps, gan.critic, gan.critic_gradients(REAL))

    generator, critic = run(mode, taps, step)

    check_generator(generator, gan)
    check_critic(critic, gan)


def test_each_part_of_a_gan_with_the_generator_second_uses_its_own_loss(mode):
    gan = Gan()
    taps = Taps(gan)

    def step():
        critic = taken(taps, gan.critic, gan.critic_gradients(REAL))
        return taken(taps, gan.generator, gan.generator_gradients()), critic

    generator, critic = run(mode, taps, step)

    check_generator(generator, gan)
    check_critic(critic, gan)


def one_forward_pass(mode, gan, order):
    """Computes both gradients of one forward pass, in this order, before either is applied."""
    taps = Taps(gan)

    def step():
        with tf.GradientTape() as of_generator, tf.GradientTape() as of_critic:
            fake = tf.reduce_sum(gan.critic(gan.generator(X)))
            real = tf.reduce_sum(gan.critic(REAL))
            losses = {"generator": -fake, "critic": 3 * fake - 2 * real}
        found = {}
        for part in order:
            tape = {"generator": of_generator, "critic": of_critic}[part]
            found[part] = tape.gradient(losses[part], getattr(gan, part).trainable_variables)
        return {part: taken(taps, getattr(gan, part), found[part]) for part in order}

    return run(mode, taps, step)


CHECKS = {"generator": check_generator, "critic": check_critic}
ORDERS = [("generator", "critic"), ("critic", "generator")]


@pytest.mark.parametrize("order", ORDERS)
def test_in_a_shared_forward_pass_the_part_differentiated_last_uses_its_own_loss(mode, order):
    gan = Gan()
    found = one_forward_pass(mode, gan, order)

    CHECKS[order[-1]](found[order[-1]], gan)


@pytest.mark.parametrize("order", ORDERS)
def test_in_a_shared_forward_pass_the_part_differentiated_first_uses_its_own_loss(mode, order):
    gan = Gan()
    found = one_forward_pass(mode, gan, order)

    CHECKS[order[0]](found[order[0]], gan)


def test_a_gradient_penalty_is_not_taken_for_the_loss():
    model = keras.Sequential([keras.Input([3]), layers.Dense(4, "tanh"), layers.Dense(1)])
    taps = Taps(model)

    def step():
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(X)
                output = tf.reduce_sum(model(X))
            slope = inner.gradient(output, X)
            loss = 5 * output + 0 * tf.reduce_sum(slope**2)
        gradients = tape.gradient(loss, model.trainable_variables)
        return taken(taps, model.layers[-1], gradients)

    ((_, gradient),) = run("graph", taps, step)

    assert gradient == approx(np.full([2, 1], 5.0))


def test_several_critic_steps_are_counted_separately(mode):
    gan = Gan()
    taps = Taps(gan)

    def step():
        found = []
        for _ in range(3):
            found.append(taken(taps, gan.critic, gan.critic_gradients(REAL)))
        return found

    found = run(mode, taps, step)

    assert len(found) == 3
    for calls in found:
        check_critic(calls, gan)


def test_a_layer_that_no_optimizer_trains_is_still_observed():
    # Otherwise a monitor would report that it is called in a loop or a function of its own.
    model = keras.Sequential([keras.Input([3]), layers.Dense(4), layers.Dense(2)])
    taps = Taps(model)
    with taps.installed():
        gradients_of(model)
        taps.take(model.layers[1:], [])

    assert taps.seen == {id(layer) for layer in model.layers}


class Hides(keras.Model):
    """Calls a layer where its tensors are inaccessible from outside."""

    def __init__(self, way):
        super().__init__()
        self.hidden = layers.Dense(3, use_bias=False)
        self.shown = layers.Dense(2, use_bias=False)
        self.hidden.build([None, 3])
        self.shown.build([None, 3])
        self.way = way

    def call(self, x):
        return self.shown(self.way(self.hidden, x))


def in_a_function(layer, x):
    return tf.function(lambda x: layer(x))(x)


def in_a_loop(layer, x):
    return tf.while_loop(
        lambda i, x: i < 2, lambda i, x: (i + 1, layer(x)), (0, x), maximum_iterations=2
    )[1]


@pytest.mark.parametrize("way", [in_a_function, in_a_loop])
@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_a_layer_in_an_inner_function_or_loop_is_not_taken(mode, way):
    model = Hides(way)
    taps = Taps(model)

    def step():
        gradients = gradients_of(model)
        hidden, shown = (taken(taps, part, gradients) for part in (model.hidden, model.shown))
        return gradients, len(hidden), shown

    gradients, num_hidden, ((_, to_shown),) = run(mode, taps, step)

    assert num_hidden == 0
    assert to_shown.shape == (2, 2)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert list(taps.called) == [id(model.hidden), id(model.shown)]
    assert taps.seen == {id(model.shown)}

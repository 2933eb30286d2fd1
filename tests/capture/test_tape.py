"""A tape returns the usual gradients to its caller, and further derivatives to listeners."""

from contextlib import ExitStack, contextmanager, nullcontext

import numpy as np
import pytest
import tensorflow as tf

from vg_keras.capture.calls import BackwardPass, Call
from vg_keras.capture.tape import listening_to_tapes

W = tf.Variable([2.0, 3.0])
OTHER = tf.Variable(1.0)


class Listener:
    """Requests the derivative by each tensor that was noted since the last pass.

    Attributes:
        answers: What it received in each pass: a list, or "abandoned".
    """

    def __init__(self, fails=False):
        self.noted, self.answers, self.errors = [], [], []
        self._fails = fails

    def note(self, tensor):
        self.noted.append(Call(tensor))
        return tensor

    def begin_pass(self):
        calls, self.noted = self.noted, []
        return BackwardPass(calls, [], 1) if calls else None

    def end_pass(self, backward):
        backward.close()
        if self._fails:
            raise KeyError("the listener's own")
        self.answers.append([backward.derivative(call) for call in backward.calls])

    def abandon_pass(self, backward):
        self.answers.append("abandoned")

    @contextmanager
    def guarded(self):
        try:
            yield
        except KeyError as error:
            self.errors.append(error)


def by_tape(listener, sources, **how):
    """Differentiates the sum of (3 w)**2 by the sources, and notes the intermediate tensor."""
    with tf.GradientTape() as tape:
        square = listener.note(3 * W) ** 2
        listener.note(tf.constant([5.0, 5.0]))  # unrelated
    return tape.gradient(square, sources, **how)


def arrays(structure):
    return tf.nest.map_structure(np.asarray, structure)


@pytest.mark.parametrize("in_graph", [False, True])
def test_the_caller_gets_its_structure_and_the_listener_its_derivatives(in_graph):
    listener = Listener()

    def step():
        found = by_tape(listener, {"a": W, "b": [W]})
        return found, listener.answers[-1][0]

    run = tf.function(step, autograph=False) if in_graph else step
    with listening_to_tapes(listener):
        gradients, between = arrays(run())

    assert {key: np.asarray(g).tolist() for key, g in gradients.items()} == {
        "a": [36, 54],  # 18 w
        "b": [[36, 54]],
    }
    assert between.tolist() == [12, 18]  # 2 (3 w)
    assert listener.answers[-1][1] is None


def test_a_single_source_gets_a_single_gradient():
    listener = Listener()
    with listening_to_tapes(listener):
        gradient = by_tape(listener, W)

    assert gradient.numpy().tolist() == [36, 54]


@pytest.mark.parametrize("fill", [tf.UnconnectedGradients.ZERO, "zero"])
def test_a_caller_gets_zeros_on_request_and_the_listener_none(fill):
    listener = Listener()
    with listening_to_tapes(listener):
        gradients = by_tape(listener, [W, OTHER], unconnected_gradients=fill)
        by_default = by_tape(listener, [OTHER])

    assert arrays(gradients)[0].tolist() == [36, 54]
    assert arrays(gradients)[1] == 0
    assert by_default == [None]
    assert [answer[1] for answer in listener.answers] == [None, None]


def test_every_listener_receives_its_own_derivatives():
    first, second, silent = Listener(), Listener(), Listener()
    with ExitStack() as stack:
        for listener in (first, second, silent):
            stack.enter_context(listening_to_tapes(listener))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(second.note(5 * first.note(3 * W)))
        tape.gradient(loss, W)

    assert arrays(first.answers)[0][0].tolist() == [5, 5]
    assert arrays(second.answers)[0][0].tolist() == [1, 1]
    assert silent.answers == []


def test_an_error_of_the_tape_is_raised_and_the_pass_abandoned():
    listener = Listener()
    with listening_to_tapes(listener):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(listener.note(3 * W))
        tape.gradient(loss, W)
        listener.note(loss)
        with pytest.raises(RuntimeError, match="non-persistent"):
            tape.gradient(loss, W)

    assert listener.answers[1:] == ["abandoned"]


def test_an_error_of_the_listener_does_not_reach_the_caller():
    listener = Listener(fails=True)
    with listening_to_tapes(listener):
        gradient = by_tape(listener, W)

    assert gradient.numpy().tolist() == [36, 54]
    assert len(listener.errors) == 1


@pytest.mark.parametrize("error", [None, ValueError])
def test_a_removed_listener_is_no_longer_asked(error):
    listener, original = Listener(), (tf.GradientTape.gradient, tf.gradients)

    def use():
        with listening_to_tapes(listener):
            during.append((tf.GradientTape.gradient, tf.gradients))
            if error:
                raise error

    during = []
    with pytest.raises(error) if error else nullcontext():
        use()
    by_tape(listener, W)

    assert (tf.GradientTape.gradient, tf.gradients) == original
    assert set(during[0]).isdisjoint(original)
    assert listener.answers == []


def test_listeners_receive_gradients_in_a_graph_too():
    listener, found = Listener(), []

    def step():
        between = listener.note(3 * x)
        found.extend(tf.gradients(between**2, [x]))
        return found[0], listener.answers[0][0]

    with tf.Graph().as_default(), tf.compat.v1.Session() as session, listening_to_tapes(listener):
        x = tf.constant(2.0)
        values = session.run(step())

    assert values == (36, 12)


def test_requesting_more_adds_no_operation_to_the_graph():
    def operations(listener):
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.tanh(listener.note(3 * W)) ** 2)
            return tape.gradient(loss, W)

        with listening_to_tapes(listener):
            graph = tf.function(step, autograph=False).get_concrete_function().graph
        return [op.type for op in graph.get_operations()]

    listener, deaf = Listener(), Listener()
    deaf.begin_pass = lambda: None

    assert operations(listener) == operations(deaf)
    assert len(listener.answers) == 1

"""A backward pass gives each call its derivative, and gradients are traced to their passes."""

from contextlib import closing, contextmanager

import pytest
import tensorflow as tf

from vg_keras.capture.calls import BackwardPass, Call, passes_behind, tensors_behind


def constant(value):
    return tf.constant(float(value))


def received(calls, derivatives, penalties=()):
    backward = BackwardPass(calls, list(penalties), 1)
    backward.receive(derivatives)
    return backward


@contextmanager
def finished(*results, number=1):
    """Returns a pass with these results; in eager mode it watches what is computed from them."""
    backward = BackwardPass([], [], number)
    backward.finish([], results)
    with closing(backward):
        yield backward


def test_derivatives_are_received_in_the_requested_order():
    plain, with_logits = Call(constant(1)), Call(constant(2), logits=constant(3))
    unconnected = Call(constant(4))
    backward = BackwardPass([plain, with_logits, unconnected], [(7, constant(5))], 1)
    asked = [float(tensor) for tensor in backward.tensors]
    backward.receive(["d1", "d2", None, "d3", "d5"])

    assert asked == [1, 2, 4, 3, 5]
    assert backward.by_output == {id(plain): "d1", id(with_logits): "d2"}
    assert backward.by_logits == {id(with_logits): "d3"}
    assert backward.by_penalty == [(7, "d5")]
    assert backward.derivative(unconnected) is None


@pytest.mark.parametrize(
    ("by_output", "by_logits", "expected"),
    [("d", None, "d"), (None, "l", "l"), ("d", "l", "l"), (None, None, None)],
)
def test_in_eager_mode_a_derivative_by_logits_belongs_to_the_loss(by_output, by_logits, expected):
    call = Call(constant(1), logits=constant(2))

    assert received([call], [by_output, by_logits]).derivative(call) == expected


@pytest.mark.parametrize(("loss_takes_logits", "expected"), [(False, "d"), (True, "l")])
def test_in_a_graph_logits_used_only_by_the_output_are_ignored(loss_takes_logits, expected):
    with tf.Graph().as_default():
        logits = tf.constant([1.0, 2.0])
        call = Call(tf.nn.softmax(logits), logits=logits)
        if loss_takes_logits:
            tf.reduce_sum(logits)

        assert call.loss_takes_logits == loss_takes_logits
        assert received([call], ["d", "l"]).derivative(call) == expected


def test_a_call_seen_again_by_an_inner_pass_is_ambiguous():
    outer, repeated, both = (Call(constant(number)) for number in range(3))
    penalty = 7, constant(0)
    backward = received([outer, both], ["d outer", "d both"])
    backward.include(received([repeated, both], ["d repeated", "again", "d p"], [penalty]))

    assert backward.derivative(outer) == "d outer"
    assert backward.derivative(repeated) == "d repeated"
    assert backward.ambiguous == {id(both)}
    assert backward.by_penalty == [(7, "d p")]


def test_in_eager_mode_a_pass_leads_to_its_results_and_their_derived_tensors():
    result, other = tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0])
    with finished(result, None) as backward:
        clipped = tf.clip_by_norm(result, 1.0)
        rounded = tf.cast(tf.cast(2 * result, tf.float64), tf.float32)
        found = [backward.leads_to([t]) for t in (result, clipped, rounded, 2 * other)]
        among_others = backward.leads_to([other, clipped])

    assert found == [True, True, True, False]
    assert among_others
    assert not backward.leads_to([])


def test_the_values_of_a_sparse_gradient_are_followed():
    slices = tf.IndexedSlices(tf.constant([1.0]), tf.constant([0]))
    with finished(slices) as backward:
        doubled = 2 * slices.values

        assert backward.leads_to([slices.values])
        assert backward.leads_to([doubled])


def test_a_closed_pass_stops_watching():
    result = tf.constant([1.0])
    with finished(result) as backward:
        before = 2 * result
    after = 3 * result
    backward.close()  # closing twice does nothing

    assert not backward.leads_to([before])
    assert not backward.leads_to([after])
    assert backward.leads_to([result])


def test_in_eager_mode_the_pass_that_returned_a_gradient_takes_precedence():
    first = tf.constant([1.0])
    with finished(first, number=1) as inner:
        second = 2 * first
        with finished(second, number=2) as outer:
            passes = [inner, outer]

            assert passes_behind([second], passes) == [outer]
            assert passes_behind([3 * first], passes) == [inner]
            assert passes_behind([3 * second], passes) == [inner, outer]
            assert passes_behind([first + 1, second], passes) == [outer]
            assert passes_behind([tf.constant([1.0])], passes) == []
            assert passes_behind([], passes) == []


def test_in_a_graph_gradients_are_followed_to_the_nearest_results_per_path():
    with tf.Graph().as_default():
        first = tf.constant([1.0])
        second = 2 * first
        passes = [BackwardPass([], [], number) for number in (1, 2)]
        for backward, result in zip(passes, (first, second), strict=True):
            backward.finish([], [result])
        inner, outer = passes

        assert passes_behind([3 * second], passes) == [outer]
        assert passes_behind([second + first], passes) == [inner, outer]
        assert passes_behind([tf.constant([1.0])], passes) == []


def test_gradients_are_followed_out_of_the_branch_of_a_condition():
    found = []

    def step(x):
        result, other = 2 * x, 3 * x
        passes = [BackwardPass([], [], number) for number in (1, 2)]
        for backward, tensor in zip(passes, (result, other), strict=True):
            backward.finish([], [tensor])

        def branch():
            scaled = 5 * result
            found.append(passes_behind([scaled], passes) == passes[:1])
            return scaled

        return tf.cond(x > 0, branch, lambda: x)

    tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec([], tf.float32))

    assert found == [True]


def test_tensors_behind_includes_all_ancestors():
    with tf.Graph().as_default():
        a, b, aside = (tf.constant(float(number)) for number in range(3))
        product = a * b
        total = product + a

        assert tensors_behind([total]) == {id(tensor) for tensor in (a, b, product, total)}
        assert tensors_behind([a, aside]) == {id(a), id(aside)}
        assert tensors_behind([]) == set()

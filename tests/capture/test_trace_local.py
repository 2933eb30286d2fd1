"""Trace-local values are separate per thread and per graph, and are dropped on request."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import tensorflow as tf

from vg_keras.capture.trace_local import TraceLocal


@pytest.fixture
def elsewhere():
    """Runs functions in another thread, the same for all calls."""
    with ThreadPoolExecutor(1) as executor:
        yield lambda function: executor.submit(function).result()


def traced(function):
    """Runs a function once, in the graph of a `tf.function`."""
    tf.function(function, autograph=False).get_concrete_function()


def test_a_value_is_created_once_per_graph_and_once_outside_of_graphs():
    made = []
    local = TraceLocal(lambda: made.append(len(made)) or made[-1])
    found = [local.here(), local.here()]
    for _ in range(2):
        traced(lambda: found.extend([local.here(), local.here()]))
    found.append(local.here())

    assert found == [0, 0, 1, 1, 2, 2, 0]
    assert made == [0, 1, 2]


def test_each_thread_has_its_own_value(elsewhere):
    local = TraceLocal(list)
    local.here().append("mine")
    elsewhere(lambda: local.here().append("theirs"))

    assert local.here() == ["mine"]
    assert elsewhere(local.here) == ["theirs"]


def test_begin_drops_all_graphs_of_this_thread_only(elsewhere):
    local = TraceLocal(list)
    elsewhere(lambda: local.here().append("theirs"))
    local.here().append("mine")
    with tf.Graph().as_default() as graph:
        local.here().append("in a graph")
    local.begin()
    with graph.as_default():
        in_graph = local.here()

    assert (local.here(), in_graph) == ([], [])
    assert elsewhere(local.here) == ["theirs"]


def test_forget_drops_the_values_of_all_threads(elsewhere):
    local = TraceLocal(list)
    elsewhere(lambda: local.here().append("theirs"))
    local.here().append("mine")
    local.forget()

    assert local.here() == []
    assert elsewhere(local.here) == []


def test_values_around_a_graph_are_listed_from_inner_to_outer():
    local, found = TraceLocal(list), []

    def inner():
        local.here().append("inner")
        found.extend(local.around())

    def without_a_value():
        traced(inner)

    def middle():
        local.here().append("middle")
        traced(without_a_value)

    def outer():
        local.here().append("outer")
        traced(middle)

    local.here().append("eager")
    traced(outer)

    assert found == [["middle"], ["outer"]]


def test_the_step_encloses_the_branch_of_a_condition():
    local, found = TraceLocal(list), []

    def branch():
        found.extend(local.around())
        return tf.constant(0)

    def step():
        local.here().append("step")
        tf.cond(tf.random.uniform([]) < 2, branch, lambda: tf.constant(1))

    traced(step)

    assert found == [["step"]]


def test_nothing_encloses_an_eager_step():
    local = TraceLocal(list)
    local.here().append("eager")

    assert list(local.around()) == []

"""The graph of a recorded step stays small: the number of operations that a layer adds."""

import keras
import pytest
from keras import layers
from small_models import compiled, fit, regression_data, reset_keras

from vg_keras import GradientMonitor
from vg_keras.capture import train_function

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

PER_GRADIENT, PER_LAYER = 4, 8
"""Operations that measuring may add: per gradient, for everything on its variable; per layer, for
its output, its backpropagated signal, and its saturated and dead units."""


def num_operations(function):
    definition = function.graph.as_graph_def()
    return sum(map(len, [definition.node, *(f.node_def for f in definition.library.function)]))


def added_operations(monkeypatch, depth, make_layer, **choice):
    """Returns how many more operations the recorded step of a deep model has than its own step."""
    traced = []

    def trace(function, iterator):
        found = original(function, iterator)
        traced.append(num_operations(found[0]))
        return found

    original = train_function.trace
    monkeypatch.setattr(train_function, "trace", trace)
    reset_keras()
    model = keras.Sequential([keras.Input([4]), *(make_layer() for _ in range(depth))])
    fit(
        compiled(model, "adam"),
        *regression_data(2, outputs=4),
        [GradientMonitor(None, 9, **choice)],
    )
    monkeypatch.undo()
    own, recorded = traced
    return recorded - own


def dense(activation):
    return lambda: layers.Dense(4, activation)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", None])
def test_a_dense_layer_adds_few_operations(monkeypatch, activation):
    deep, deeper = (added_operations(monkeypatch, d, dense(activation)) for d in (5, 15))

    assert (deeper - deep) / 10 <= 2 * PER_GRADIENT + PER_LAYER


def test_gradients_alone_add_fewer_operations(monkeypatch):
    deep, deeper = (
        added_operations(monkeypatch, depth, dense("relu"), activations=False) for depth in (5, 15)
    )

    assert (deeper - deep) / 10 <= 2 * PER_GRADIENT


def test_operations_grow_linearly_with_depth(monkeypatch):
    of_5, of_15, of_45 = (
        added_operations(monkeypatch, depth, dense("relu")) for depth in (5, 15, 45)
    )

    assert (of_45 - of_15) / 30 == pytest.approx((of_15 - of_5) / 10, abs=1)

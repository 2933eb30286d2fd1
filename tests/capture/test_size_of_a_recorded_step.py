"""The graph of a recorded step stays small: the number of operations that a layer adds."""

import functools

import keras
import pytest
from keras import layers
from small_models import compiled, fit, regression_data, reset_keras

from vg_keras import GradientMonitor
from vg_keras.capture import train_function

pytestmark = pytest.mark.slow

PER_GRADIENT, PER_LAYER = 4, 8
"""Operations that measuring may add: per gradient, for everything on its variable; per layer, for
its output, its backpropagated signal, and its saturated and dead units."""


class TracedError(BaseException):
    """Ends `fit` once both steps are traced: they need not run."""


def num_operations(function):
    definition = function.graph.as_graph_def()
    return sum(map(len, [definition.node, *(f.node_def for f in definition.library.function)]))


@functools.cache
def added_operations(depth, activation, **choice):
    """Returns how many more operations the recorded step of a deep model has than its own step."""
    traced = []

    def trace(function, iterator):
        found = original(function, iterator)
        traced.append(num_operations(found[0]))
        if len(traced) == 2:
            raise TracedError
        return found

    original = train_function.trace
    reset_keras()
    hidden = [layers.Dense(4, activation) for _ in range(depth)]
    model = compiled(keras.Sequential([keras.Input([4]), *hidden]), "adam")
    monitor = GradientMonitor(None, 9, **choice)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_function, "trace", trace)
        with pytest.raises(TracedError):
            fit(model, *regression_data(2, outputs=4), [monitor])
    own, recorded = traced
    return recorded - own


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", None])
def test_a_dense_layer_adds_few_operations(activation):
    deep, deeper = (added_operations(depth, activation) for depth in (3, 9))

    assert (deeper - deep) / 6 <= 2 * PER_GRADIENT + PER_LAYER


def test_gradients_alone_add_fewer_operations():
    deep, deeper = (added_operations(depth, "relu", activations=False) for depth in (3, 9))

    assert (deeper - deep) / 6 <= 2 * PER_GRADIENT


def test_operations_grow_linearly_with_depth():
    of_3, of_9, of_27 = (added_operations(depth, "relu") for depth in (3, 9, 27))

    assert (of_27 - of_9) / 18 == pytest.approx((of_9 - of_3) / 6, abs=1)

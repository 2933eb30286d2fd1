"""Many kinds of networks train to bit-identical weights with and without the monitor.

Without XLA, in graph mode. Grappler, TensorFlow's graph optimizer, fuses an operation into its
consumer if it has only one. A monitor that reads such a result prevents the fusion, and the
last bits of the step change: without `capture/copies.py`, 22 of these networks fail.
"""

import functools

import keras
import numpy as np
import pytest
from networks import NETWORKS, trained

from vg_keras import GradientMonitor

pytestmark = pytest.mark.slow


def state_of(model):
    """Returns all weights and the state of all optimizers."""
    variables = list(model.variables)
    for optimizer in (model.optimizer, getattr(model, "head_optimizer", None)):
        if isinstance(optimizer, keras.optimizers.Optimizer):
            variables += optimizer.variables
    return [variable.numpy() for variable in variables]


@functools.cache
def state_without_monitor(name):
    return state_of(trained(name))


def assert_same_bits(ours, theirs):
    assert [array.tobytes() for array in ours] == [array.tobytes() for array in theirs]


@pytest.mark.parametrize("name", list(NETWORKS)[::12])  # enough to check the machine
def test_training_twice_without_the_monitor_gives_the_same_weights(name):
    state = state_without_monitor(name)

    assert all(np.isfinite(array).all() for array in state)
    assert_same_bits(state_of(trained(name)), state)


# The monitor warns that it records no gradients of layers that the train step does not train.
@pytest.mark.filterwarnings("ignore:The gradients of")
@pytest.mark.parametrize("name", NETWORKS)
def test_training_with_the_monitor_gives_the_same_weights(name):
    state = state_of(trained(name, [GradientMonitor(None, "batch")]))

    assert_same_bits(state, state_without_monitor(name))

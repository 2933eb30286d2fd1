"""Initial weights: the small form, how a run is judged, and which claims hold."""

import math

import keras
import numpy as np
import pytest

from experiments.common import mlp
from experiments.initialization.expected import NAMED, checks
from experiments.initialization.experiment import ACTIVATIONS, state

FACTORS = {"sigmoid": (0.23605, 0.31777), "tanh": (1, 1.05144), "relu": (math.sqrt(0.5), 1)}
"""Theory's factor per layer at weight variances of 1 and 2."""


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_zeros_block_the_gradient_and_constants_keep_units_alike(small, activation):
    found = small["numbers"][activation]

    assert list(found) == ["2.0", *NAMED]
    assert (found["zeros"]["signal"], found["zeros"]["state"]) == ([0, 0], "no gradient")
    assert found["constant 0.05"]["all_units_alike"]
    assert not found["orthogonal"]["all_units_alike"]


def test_the_measured_factor_of_sigmoid_is_near_theorys(small):
    held = {check["what"]: check["held"] for check in small["checks"]}

    assert held["sigmoid, Glorot uniform: factor of the backpropagated signal per layer"]


def test_a_variance_matches_the_drawn_weights():
    drawn = keras.initializers.get(mlp.scaled(3.0))([300, 200])

    assert 300 * np.var(drawn) == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize(
    ("signal", "loss", "word"),
    [
        ([1e-3, 0.05, 1], 2.3, "vanishing"),
        ([0.02, 1], 2.3, "healthy"),
        ([50, 1], 2.3, "healthy"),
        ([101, 1], 2.3, "exploding"),
        ([1, 1], math.nan, "NaN"),
        ([math.nan, 1], 2.3, "NaN"),
        ([math.inf, 1], 2.3, "NaN"),
        ([0, 0], 2.3, "no gradient"),
        ([1], 2.3, "healthy"),
    ],
)
def test_a_training_run_is_judged_by_its_signal_and_its_loss(signal, loss, word):
    assert state(signal, loss) == word


def theorys(start="zeros", **changed):
    """Returns theory's own results, apart from changes to ReLU from one initialization."""
    found = {}
    for activation, (of_1, of_2) in FACTORS.items():
        factors = dict.fromkeys([*NAMED, 2.0], of_2) | {"orthogonal": of_1, "Glorot uniform": of_1}
        result = {"signal": [0.0], "state": "NaN", "all_units_alike": True}
        found[activation] = {s: result | {"factor": factor} for s, factor in factors.items()}
    found["relu"][start] |= changed
    return found


def test_claims_hold_for_theorys_values():
    assert [check.held for check in checks([2.0], theorys(), (8, 128))] == [True] * (3 + 3 * 4)
    assert len([*checks([2.0], theorys(), (8, 256))]) == 2 + 3 * 4


@pytest.mark.parametrize(
    ("start", "changed", "claim"),
    [
        ("N(0, 0.2²)", {"state": "exploding"}, "NaN (1 means yes)"),
        ("zeros", {"signal": [1e-9]}, "zeros: largest signal"),
        ("zeros", {"signal": [math.nan]}, "zeros: largest signal"),
        ("constant 0.05", {"all_units_alike": False}, "all units get the same gradient"),
        ("He normal", {"factor": 1.11}, "ReLU, He normal: factor"),
        (2.0, {"factor": 1.11}, "ReLU, all variances: largest deviation"),
        (2.0, {"factor": math.nan}, "ReLU, all variances: largest deviation"),
    ],
)
def test_claims_fail_for_differing_values(start, changed, claim):
    (failed,) = [c.what for c in checks([2.0], theorys(start, **changed), (8, 128)) if not c.held]

    assert claim in failed

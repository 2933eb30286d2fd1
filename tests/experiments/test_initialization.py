"""Initial weights: the small form, and how the resulting signal is judged."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest
from small_form import run_small

from experiments import initialization
from experiments.common import mlp
from experiments.initialization import state


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_small("initialization", tmp_path_factory.mktemp("initialization"))


def test_every_activation_starts_from_every_initialization(results):
    names = ["0.1", "2.0", *initialization.NAMED]

    for activation in ("sigmoid", "tanh", "relu"):
        assert list(results["numbers"][activation]) == names


def test_zero_weights_block_the_gradient(results):
    for found in results["numbers"].values():
        assert found["zeros"]["state"] == "no gradient"
        assert found["zeros"]["signal"] == [0, 0, 0]


def test_constants_keep_all_units_identical_and_random_weights_do_not(results):
    for found in results["numbers"].values():
        assert found["constant 0.05"]["all_units_alike"]
        assert not found["orthogonal"]["all_units_alike"]


def test_the_factor_of_sigmoid_is_near_theorys(results):
    checks = {check["what"]: check for check in results["checks"]}

    assert checks["sigmoid, Glorot uniform: factor per layer of the signal"]["held"]


def test_a_variance_matches_the_drawn_weights():
    drawn = keras.initializers.get(initialization.normal(3.0))([300, 200])

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


SETTINGS = mlp.Settings(8, 128, 1, 128, 0.1, "sgd", "glorot_uniform", 0, "auto")


def claims(name="", activation="relu", **changed):
    """Returns which claims hold for theory's values, apart from changes to one initialization."""
    found = {}
    for function in initialization.ACTIVATIONS:
        found[function] = {
            kind: {
                "factor": mlp.predicted_factor(function, replace(SETTINGS, initializer=how)),
                "signal": [0.0],
                "state": "NaN",
                "all_units_alike": True,
            }
            for kind, how in {**initialization.NAMED, 2.0: initialization.normal(2.0)}.items()
        }
    if name:
        found[activation][name] |= changed
    checks = initialization._checks(found, SETTINGS)
    return {check.what: check.held for check in checks}


def test_claims_hold_for_theorys_values():
    assert all(claims().values())
    assert len(claims()) == 3 + 3 * 4


@pytest.mark.parametrize(
    ("changed", "claim"),
    [
        ({"name": "N(0, 0.2²)", "state": "exploding"}, "NaN (1 is yes)"),
        ({"name": "zeros", "signal": [1e-9]}, "zeros: signal at the first layer"),
        ({"name": "zeros", "signal": [math.nan]}, "zeros: signal at the first layer"),
        ({"name": "constant 0.05", "all_units_alike": False}, "one and the same gradient"),
        ({"name": "He normal", "factor": 1.11}, "ReLU, He normal: factor"),
        ({"name": 2.0, "factor": 1.11}, "ReLU, N(0, s/inputs): largest deviation"),
        ({"name": 2.0, "factor": math.nan}, "ReLU, N(0, s/inputs): largest deviation"),
    ],
)
def test_claims_fail_for_differing_values(changed, claim):
    failed = [what for what, held in claims(**changed).items() if not held]

    assert len(failed) == 1
    assert claim in failed[0]

"""Initial weights in a small form, and how the signal they let through is judged."""

import math

import keras
import numpy as np
import pytest
from small_form import run_small

from experiments import initialization
from experiments.initialization import state


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_small("initialization", tmp_path_factory.mktemp("initialization"))


def test_every_activation_starts_from_every_initialization(results):
    names = ["0.1", "2.0", *initialization.NAMED]

    for activation in ("sigmoid", "tanh", "relu"):
        assert list(results["numbers"][activation]) == names


def test_zeros_let_no_gradient_through(results):
    for found in results["numbers"].values():
        assert found["zeros"]["state"] == "no gradient"
        assert found["zeros"]["signal"] == [0, 0, 0]


def test_constants_keep_all_units_alike_and_random_weights_do_not(results):
    for found in results["numbers"].values():
        assert found["constant 0.05"]["all_units_alike"]
        assert not found["orthogonal"]["all_units_alike"]


def test_the_factor_of_sigmoid_is_near_theorys(results):
    checks = {check["what"]: check for check in results["checks"]}

    assert checks["sigmoid, Glorot uniform: factor per layer of the signal"]["held"]


def test_a_variance_is_that_of_what_is_drawn():
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
def test_a_training_is_judged_by_its_signal_and_its_loss(signal, loss, word):
    assert state(signal, loss) == word

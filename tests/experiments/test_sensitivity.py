"""The effect of a perturbed layer on the output: against NumPy and theory."""

import itertools
import math

import numpy as np
import pytest

from experiments.common import mlp
from experiments.common.mnist import Mnist
from experiments.common.sweep import Work
from experiments.sensitivity import expected, experiment
from experiments.sensitivity.expected import AFTER, BEFORE


def settings(depth, width, initializer="glorot_uniform"):
    return mlp.Settings(depth, width, 1, 20, 0.1, "sgd", initializer, 0, False)


def images(number):
    return np.random.default_rng(0).random((number, 784), np.float32)


@pytest.fixture
def weights():
    random = np.random.default_rng(1)
    found = []
    for rows, columns in itertools.pairwise([784, 6, 6, 10]):
        kernel = random.standard_normal((rows, columns)) / math.sqrt(rows)
        found += [kernel, 0.1 * random.standard_normal(columns)]
    return found


@pytest.mark.parametrize("kind", ["over_rms", "over_std"])
@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_results_cover_every_network_seed_and_layer(small, when, kind):
    changes = np.array([small["numbers"][name][when][kind] for name in experiment.ACTIVATIONS])

    assert changes.shape == (3, 2, 3)
    assert (changes > 0).all()


def test_a_perturbed_output_layer_changes_the_output_by_about_as_much(small):
    """Before training, when biases are zero; with a kernel of only 8 by 10 it is approximate."""
    for name in experiment.ACTIVATIONS:
        changes = np.array(small["numbers"][name][BEFORE]["over_rms"])

        assert ((changes[:, -1] > 0.05) & (changes[:, -1] < 0.2)).all()


def test_each_seed_has_its_own_weights_at_initialization(small):
    first, second = small["numbers"]["relu"][BEFORE]["over_std"]

    assert first != second


def test_the_change_equals_that_of_numpy(weights):
    other = experiment.perturbed(weights, 1, 0.1, np.random.default_rng(2))
    pairs = [(weights, other), (weights, weights)]
    found = experiment.output_changes("tanh", settings(2, 6), images(30), pairs)

    def logits(weights):
        values = images(30).astype(np.float64)
        for kernel, bias in zip(weights[:4:2], weights[1:4:2], strict=True):
            values = np.tanh(values @ kernel + bias)
        return values @ weights[4] + weights[5]

    clean = logits(weights)
    change = np.linalg.norm(logits(other) - clean)
    assert found["over_rms"] == pytest.approx([change / np.linalg.norm(clean), 0])
    assert found["over_std"] == pytest.approx([change / np.linalg.norm(clean - clean.mean(0)), 0])


def test_a_perturbation_changes_one_kernel_by_its_fraction_of_the_norm(weights):
    other = experiment.perturbed(weights, 1, 0.25, np.random.default_rng(0))
    changes = [np.linalg.norm(b - a) for a, b in zip(weights, other, strict=True)]

    assert changes == pytest.approx([0, 0, 0.25 * np.linalg.norm(weights[2]), 0, 0, 0])


def test_sigmoid_loses_a_perturbation_by_theorys_factor_per_layer(tmp_path):
    """Uses the default eight layers of 128, three seeds and 50 noise images."""
    noise = Mnist(images(50), np.arange(50) % 10, images(50), np.arange(50) % 10, "noise", "a test")
    run = "sigmoid", BEFORE, settings(8, 128), 0.1, 3
    changes = experiment.measure(run, Work(tmp_path, noise, "cpu"))["over_rms"]

    assert experiment.factor_per_layer(changes) == pytest.approx(0.2360, rel=0.1)
    assert np.median(changes, axis=0)[-1] == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize(
    ("activation", "initializer", "factor"),
    [
        ("sigmoid", "glorot_uniform", 0.2360),
        ("sigmoid", "he_normal", 0.3178),
        ("tanh", "glorot_uniform", 1),  # the signal vanishes together with the perturbation
        ("relu", "glorot_uniform", 1),
        ("relu", "he_normal", 1),
    ],
)
def test_the_relative_factor_agrees_with_theory(activation, initializer, factor):
    found = experiment.relative_factor(activation, settings(8, 128, initializer))

    assert found == pytest.approx(factor, abs=1e-4)


def test_the_factor_is_the_slope_over_the_hidden_layers_only():
    assert experiment.factor_per_layer([[1e-3, 1e-2, 1e-1, 0.5]]) == pytest.approx(0.1)


ZIGZAG = [[1e-4, 1e-5, 1e-3, 1e-2, 0.02, 0.1]]


@pytest.mark.parametrize(
    ("sigmoid", "relu", "changed", "failing"),
    [
        (0.2, 1.0, {}, []),
        (1.0, 0.2, {}, [5, 6, 7, 9, 10, 11]),
        (0.2, 1.0, {"factor": 0.23}, [0]),
        (0.2, 1.0, {"factor": math.nan}, [0]),
        (0.2, 1.0, {BEFORE: {"over_rms": ZIGZAG, "over_std": ZIGZAG}}, [3]),
    ],
)
def test_claims_fail_for_differing_values_only(sigmoid, relu, changed, failing):
    results = {}
    for name, factor in (("sigmoid", sigmoid), ("tanh", 1.0), ("relu", relu)):
        changes = {key: [0.1 * factor ** np.arange(6)[::-1]] for key in ("over_rms", "over_std")}
        results[name] = {"theory": factor, "factor": factor, BEFORE: changes, AFTER: changes}
    results["sigmoid"] |= changed
    checks = [*expected.checks(results)]

    assert len(checks) == 12
    assert [i for i, check in enumerate(checks) if not check.held] == failing

"""Remedies: each does what its name says, and which claims hold."""

import math

import keras
import numpy as np
import pytest

from experiments.common import mlp, pages
from experiments.remedies.expected import checks
from experiments.remedies.experiment import findings, title
from experiments.remedies.remedies import HE, REMEDIES, UNCHANGED

SETTINGS = mlp.Settings(3, 8, 1, 20, 0.1, "sgd", "glorot_uniform", 0, False)
CURES = [name for name in REMEDIES if name != UNCHANGED]
PUBLISHED = mlp.Settings(8, 128, 5, 128, 0.1, "sgd", "glorot_uniform", 0, "auto")


def test_every_remedy_is_measured_in_every_layer(small):
    assert list(small["numbers"]) == list(REMEDIES)
    for found in small["numbers"].values():
        assert len(found["gradient"]) == len(found["update_ratio"]) == 4
        assert len(found["accuracy"]) == 1


@pytest.mark.parametrize("name", ["Adam", "layer-wise learning rates"])
def test_adam_and_layer_wise_rates_keep_the_gradient_and_fix_the_update(small, name):
    found, unchanged = small["numbers"][name], small["numbers"][UNCHANGED]

    assert found["gradient"] == pytest.approx(unchanged["gradient"], rel=1e-4)
    assert found["update_ratio"][0] > 5 * unchanged["update_ratio"][0]


def built(name):
    mlp.begin(0)
    return REMEDIES[name].build(SETTINGS)


def test_batch_normalization_is_between_a_layer_and_its_activation():
    dense, *others = built("batch normalization").layers[1:4]

    assert dense.activation is keras.activations.linear
    assert [type(layer).__name__ for layer in others] == ["BatchNormalization", "Activation"]


def test_residual_connections_add_what_enters_a_hidden_layer():
    model = built("residual connections")
    x = np.random.default_rng(0).random((5, 784), np.float32)
    values = keras.ops.sigmoid(model.get_layer("hidden_1")(x))
    for name in ("hidden_2", "hidden_3"):
        values = values + keras.ops.sigmoid(model.get_layer(name)(values))

    assert np.allclose(model(x), model.get_layer("output")(values), atol=1e-6)


def test_layer_wise_rates_compensate_theorys_factor():
    model = built("layer-wise learning rates")
    before, variables = model.get_weights(), model.trainable_variables
    model.optimizer.apply([np.ones(v.shape, np.float32) for v in variables], variables)
    rates = [np.mean(b - a) for b, a in zip(before, model.get_weights(), strict=True)]

    assert rates[::2] == pytest.approx([0.1 / 0.23605**2, 0.1 / 0.23605, 0.1, 0.1], rel=1e-3)


def failed(name=HE, **changed):
    """Returns the claims that fail for expected values, apart from changes to one result."""
    found = {remedy: {"accuracy": [95.0], "decades_lost": 3.49} for remedy in REMEDIES}
    found[UNCHANGED]["accuracy"] = [11.35]
    found[name] |= changed
    return [check.what for check in checks(found, 8, 11.35) if not check.held]


def test_claims_hold_for_expected_values():
    assert failed() == []


@pytest.mark.parametrize(
    ("name", "what", "changed"),
    [
        *[(name, "test accuracy", {"accuracy": [95.0, 89.9]}) for name in CURES],
        *[(UNCHANGED, "test accuracy", {"accuracy": [a]}) for a in (11.34, 11.36, math.nan)],
        *[(HE, "decades", {"decades_lost": lost}) for lost in (3.1, 3.9, math.nan)],
    ],
)
def test_claims_fail_for_differing_values(name, what, changed):
    (claim,) = failed(name, **changed)

    assert claim.startswith(f"{name}: {what}")


def test_the_answer_names_cures_and_failures_and_what_they_do_to_gradients():
    results = {
        name: {"accuracy": [90.0], "decades_lost": 1.0, "update_ratio": [2.0]} for name in REMEDIES
    }
    results[UNCHANGED] = {"accuracy": [11.35], "decades_lost": 4.0, "update_ratio": [0.001]}
    results["Adam"] |= {"accuracy": [89.9], "decades_lost": 4.0}
    *accuracies, gradients, updates = findings(results).values()

    others = "ReLU, tanh, He initialization, batch normalization, residual connections, layer-wise"
    assert accuracies == ["11.35%", f"{others} learning rates", "Adam"]
    assert gradients.startswith("0.0001 (sigmoid, unchanged), 0.1 (ReLU), 0.1 (tanh), 0.1 (He")
    assert updates == "2,000 (Adam)"


def test_the_title_tells_the_settings_of_the_unchanged_network_from_those_of_remedies():
    first, second = title("MNIST", PUBLISHED).splitlines()

    assert first == f"MNIST; unchanged: {PUBLISHED}"
    assert second == (
        "He initialization: initializer he_normal; Adam: optimizer adam, learning rate 0.001"
    )


@pytest.mark.parametrize(("name", "accuracy"), [("ReLU", 96.5), ("tanh", 96.9), ("Adam", 93.4)])
def test_committed_accuracies_on_all_of_mnist_are_those_of_earlier_measurements(name, accuracy):
    committed = pages.read(pages.FOLDER / "remedies")

    assert committed["data"]["name"] == "MNIST"
    assert mlp.Settings(**committed["settings"][UNCHANGED]) == PUBLISHED
    assert committed["settings"]["Adam"] == {"optimizer": "adam", "learning_rate": 0.001}
    assert committed["numbers"][name]["accuracy"][-1] == pytest.approx(accuracy, rel=0.015)

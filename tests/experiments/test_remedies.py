"""The remedies in a small form: each does what its name says, and is measured like the sick run."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from small_form import run_small

from experiments import remedies
from experiments.common import mlp

SETTINGS = mlp.Settings(
    depth=3,
    width=8,
    epochs=1,
    batch_size=20,
    learning_rate=0.1,
    optimizer="sgd",
    initializer="glorot_uniform",
    seed=0,
    jit_compile=False,
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_small("remedies", tmp_path_factory.mktemp("remedies"))


def test_every_remedy_is_measured_in_every_layer(results):
    assert list(results["numbers"]) == list(remedies.REMEDIES)
    for numbers in results["numbers"].values():
        assert len(numbers["gradient"]) == len(numbers["update_ratio"]) == 4
        assert len(numbers["accuracy"]) == 1


def test_adam_and_layer_wise_rates_keep_the_gradient_and_fix_the_update(results):
    sick = results["numbers"][remedies.SICK]
    for name in ("Adam", "layer-wise learning rates"):
        numbers = results["numbers"][name]

        assert numbers["gradient"] == pytest.approx(sick["gradient"], rel=1e-4)
        assert numbers["update_ratio"][0] > 5 * sick["update_ratio"][0]


def test_a_remedy_that_fails_is_named(results):
    assert "did not" in results["answer"]
    assert sum(check["held"] for check in results["checks"]) < len(results["checks"])


def built(name):
    mlp.begin(0)
    return remedies.REMEDIES[name](SETTINGS)


def test_batch_normalization_is_between_a_layer_and_its_activation():
    kinds = [type(layer).__name__ for layer in built("batch normalization").layers]

    assert kinds[1:4] == ["Dense", "BatchNormalization", "Activation"]
    assert built("batch normalization").layers[1].activation is keras.activations.linear


def test_residual_connections_add_what_enters_a_hidden_layer():
    model = built("residual connections")
    x = np.random.default_rng(0).random((5, 784), np.float32)
    layers = {layer.name: layer for layer in model.layers}
    values = layers["hidden_1"](x)
    values = values + layers["hidden_2"](values)
    values = values + layers["hidden_3"](values)

    assert np.allclose(model(x), layers["output"](values), atol=1e-6)


def test_layer_wise_rates_compensate_theorys_factor():
    model = built("layer-wise learning rates")
    before = [layer.kernel.numpy() for layer in model.layers[1:]]
    ones = [np.ones(v.shape, np.float32) for v in model.trainable_variables]
    model.optimizer.apply(ones, model.trainable_variables)
    moved = [b - layer.kernel.numpy() for b, layer in zip(before, model.layers[1:], strict=True)]
    rates = [float(np.mean(m)) for m in moved]

    assert rates[1] / rates[2] == pytest.approx(1 / 0.23605, rel=1e-3)
    assert rates[0] / rates[2] == pytest.approx(1 / 0.23605**2, rel=1e-3)
    assert rates[2:] == pytest.approx([0.1, 0.1], rel=1e-3)


def checks_of(settings, name, share):
    found = {remedy: {"accuracy": [95.0], "decades_lost": 1.0} for remedy in remedies.REMEDIES}
    data = SimpleNamespace(name=name, share_of_one_answer=share)
    return remedies._checks(found, settings, data)


def test_published_accuracies_are_checked_only_at_their_own_settings():
    published = dataclasses.replace(SETTINGS, **remedies.PUBLISHED_SETTINGS)
    full = checks_of(published, "MNIST", 11.35)
    others = [checks_of(published, "other", 10.0), checks_of(SETTINGS, "MNIST", 11.35)]

    assert [check.published for check in full][:4] == ["11.35", "96.5", "96.9", "it trains"]
    assert [check.published for check in others[0]][:2] == ["10.00", "it trains"]
    assert [check.published for check in others[1]][:2] == ["11.35", "it trains"]


def test_cures_are_distinguished_from_failures():
    deep = dataclasses.replace(SETTINGS, depth=8)
    held = {check.what: check.held for check in checks_of(deep, "other", 95.0)}
    below = remedies.REMEDIES.keys() - {remedies.SICK}

    assert held[f"{remedies.SICK}: test accuracy, %"]
    assert all(held[f"{name}: test accuracy, %"] for name in below)
    assert not held["He initialization: decades that the gradient of sigmoid still loses"]

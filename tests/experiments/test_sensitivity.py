"""How far a disturbed layer moves the output: the small form, and the measurement."""

import itertools
import json
import math

import numpy as np
import pytest

from experiments import sensitivity
from experiments.common import command_line, mlp
from experiments.common.mnist import Mnist
from experiments.common.sweep import Work

AFTER, BEFORE = sensitivity.AFTER, sensitivity.BEFORE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    arguments = [*sensitivity.SMALL, "--jobs=1", "--quiet", f"--log-dir={logs}", "--data=subset"]
    assert command_line.main("sensitivity", arguments) == 0
    (folder,) = (logs / "sensitivity").iterdir()
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "results.json").read_text())


def settings(depth, width, initializer="glorot_uniform"):
    return mlp.Settings(
        depth=depth,
        width=width,
        epochs=1,
        batch_size=20,
        learning_rate=0.1,
        optimizer="sgd",
        initializer=initializer,
        seed=0,
        jit_compile=False,
    )


def images(number=30):
    return np.random.default_rng(0).random((number, 784), np.float32)


def weights_of(depth, width, sizes=(784, 10)):
    random = np.random.default_rng(1)
    shapes = [sizes[0], *[width] * depth, sizes[1]]
    weights = []
    for rows, columns in itertools.pairwise(shapes):
        kernel = random.standard_normal((rows, columns)) / math.sqrt(rows)
        weights += [kernel, 0.1 * random.standard_normal(columns)]
    return weights


def test_the_small_form_draws_a_figure(folder):
    assert (folder / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "sensitivity.svg").read_text()


def test_results_hold_every_network_draw_and_layer(results):
    for name in sensitivity.ACTIVATIONS:
        for when in (BEFORE, AFTER):
            for kind in ("of_output", "of_differences"):
                moves = np.array(results["numbers"][name][when][kind])

                assert moves.shape == (2, 4)
                assert (moves > 0).all()


def test_a_disturbed_output_layer_moves_the_output_by_about_as_much(results):
    """Before training, when biases are zero; with a kernel of only 8 by 10 it is approximate."""
    for name in sensitivity.ACTIVATIONS:
        moves = np.array(results["numbers"][name][BEFORE]["of_output"])

        assert ((moves[:, -1] > 0.05) & (moves[:, -1] < 0.2)).all()


def test_each_draw_at_initialization_has_its_own_weights(results):
    first, second = results["numbers"]["relu"][BEFORE]["of_differences"]

    assert first != second


def test_all_claims_are_in_the_results(results):
    whats = [check["what"] for check in results["checks"]]

    assert len(whats) == len(set(whats)) == 12
    assert results["settings"]["disturbance"] == 0.1


def test_the_move_equals_numpys():
    clean = weights_of(2, 6)
    random = np.random.default_rng(2)
    other = sensitivity.disturbed(clean, 1, 0.1, random)
    pair = sensitivity.Pair("tanh", settings(2, 6), images())

    def logits(weights):
        values = images().astype(np.float64)
        for kernel, bias in zip(weights[:4:2], weights[1:4:2], strict=True):
            values = np.tanh(values @ kernel + bias)
        return values @ weights[4] + weights[5]

    def rms(values):
        return np.sqrt(np.mean(values**2))

    of_output, of_differences = pair.moves(clean, other)
    expected, spread = logits(clean), rms(logits(clean) - logits(clean).mean(axis=0))
    assert of_output == pytest.approx(rms(logits(other) - expected) / rms(expected), rel=1e-6)
    assert of_differences == pytest.approx(rms(logits(other) - expected) / spread, rel=1e-6)
    assert pair.moves(clean, clean) == (0, 0)


def test_a_disturbance_moves_one_kernel_by_its_fraction_of_the_norm():
    clean = weights_of(2, 6)
    other = sensitivity.disturbed(clean, 1, 0.25, np.random.default_rng(0))
    moved = [not np.array_equal(a, b) for a, b in zip(clean, other, strict=True)]

    assert moved == [False, False, True, False, False, False]
    assert np.linalg.norm(other[2] - clean[2]) == pytest.approx(0.25 * np.linalg.norm(clean[2]))


def test_sigmoid_loses_a_disturbance_by_theorys_factor_per_layer(tmp_path):
    """Uses the default eight layers of 128, before training, on noise images.

    Three draws on 50 images, instead of ten on 500 by default.
    """
    noise = Mnist(images(50), np.arange(50) % 10, images(50), np.arange(50) % 10, "noise", "a test")
    work = Work(tmp_path, noise, "cpu")
    moves = sensitivity.measure(("sigmoid", BEFORE, settings(8, 128), 0.1, 3), work)["of_output"]

    assert sensitivity._factor(moves) == pytest.approx(0.2360, rel=0.1)
    assert np.median(moves, axis=0)[-1] == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize(
    ("activation", "initializer", "factor"),
    [
        ("sigmoid", "glorot_uniform", 0.2360),
        ("sigmoid", "he_normal", 0.3178),
        ("tanh", "glorot_uniform", 1),  # the signal vanishes together with the disturbance
        ("relu", "glorot_uniform", 1),
        ("relu", "he_normal", 1),
    ],
)
def test_the_relative_factor_agrees_with_theory(activation, initializer, factor):
    found = sensitivity.relative_factor(activation, settings(8, 128, initializer))

    assert found == pytest.approx(factor, abs=1e-4)


def test_theory_has_no_factor_for_unknown_settings():
    assert math.isnan(sensitivity.relative_factor("softmax", settings(8, 128)))


def test_the_factor_is_the_slope_over_the_hidden_layers_only():
    assert sensitivity._factor([[1e-3, 1e-2, 1e-1, 0.5]]) == pytest.approx(0.1)


def handmade(**factors):
    """Results in which a disturbance shrinks by a constant factor per layer."""
    moves = {
        name: [[0.1 * factors.get(name, 1.0) ** (5 - layer) for layer in range(6)]]
        for name in sensitivity.ACTIVATIONS
    }
    return {
        name: {
            "theory": factors.get(name, 1.0),
            "factor": factors.get(name, 1.0),
            BEFORE: {"of_output": of_output, "of_differences": of_output},
            AFTER: {"of_output": of_output, "of_differences": of_output},
        }
        for name, of_output in moves.items()
    }


def failing(results):
    return [check.what for check in sensitivity._checks(results) if not check.held]


def test_claims_hold_if_only_sigmoid_loses_the_disturbance():
    assert failing(handmade(sigmoid=0.2)) == []


def test_claims_do_not_hold_if_sigmoid_keeps_it_and_relu_loses_it():
    assert failing(handmade(sigmoid=1, relu=0.2)) == [
        "ReLU at initialization: effect of the first hidden layer over that of the last",
        "sigmoid at initialization: effect of the first hidden layer over that of the last",
        "ReLU after training: effect of the first hidden layer over that of the last",
        "sigmoid after training: effect of the first hidden layer over that of the last",
        "sigmoid over ReLU at initialization: effect of the first layer beside how images differ",
        "sigmoid over ReLU after training: effect of the first layer beside how images differ",
    ]


def test_an_early_layer_that_moves_the_output_more_than_the_next_does_not_hold():
    results = handmade(sigmoid=0.2)
    results["sigmoid"][BEFORE]["of_output"] = [[1e-4, 1e-5, 1e-3, 1e-2, 0.02, 0.1]]

    assert failing(results) == [
        "sigmoid: layers that move the output less than the one before them"
    ]

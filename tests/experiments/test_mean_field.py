"""Mean-field theory against the first step of networks: the small form, theory, and the numbers.

References:
    B. Poole et al., Exponential expressivity in deep neural networks through transient chaos,
    NeurIPS 2016. S. Schoenholz et al., Deep Information Propagation, ICLR 2017.
"""

import functools
import json

import keras
import numpy as np
import pytest

from experiments import mean_field
from experiments.common import command_line, mlp
from experiments.common.factors import factor_per_layer
from experiments.common.first_steps import BATCH_SIZE, FirstSteps
from vg_keras.theory import ACTIVATIONS

NAMES = {str(layers): layers for layers in mean_field.PAIRS}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mean_field")
    only = pytest.MonkeyPatch()
    # One of each kind, and those in the figure and the answer; all the others would take as long.
    only.setattr(mean_field, "ACTIVATIONS", ["sigmoid", "relu", "tanh", "gelu"])
    only.setattr(mean_field, "PAIRS", [layers for layers in mean_field.PAIRS if is_kept(layers)])
    arguments = [*mean_field.SMALL, "--jobs=1", "--quiet", f"--log-dir={folder}"]
    status = command_line.main("mean_field", [*arguments, f"--output={folder}"])
    only.undo()
    return status, folder


def is_kept(layers):
    return layers.activation in ("sigmoid", "relu", "tanh", "gelu")


@functools.cache
def first_steps(activation):
    return FirstSteps(seed=1)


def result(expected, ours):
    return {"sqrt_chi": expected, "factor": ours}


def test_the_small_form_saves_its_figure_and_its_numbers(small):
    status, folder = small
    saved = json.loads((folder / "results.json").read_text())

    assert status == 0
    assert (folder / "mean_field.png").stat().st_size > 10_000
    assert (folder / "mean_field.svg").exists()
    assert set(saved["numbers"]) == {name for name, layers in NAMES.items() if is_kept(layers)}
    for numbers in saved["numbers"].values():
        assert np.shape(numbers["signals"]) == (2, 1, 4)
        assert np.all(np.array(numbers["signals"]) > 0)
        assert numbers["factor"] == pytest.approx(
            factor_per_layer(numbers["signals"][0][0]), rel=1e-4
        )


def test_every_published_digit_of_theory_is_checked_and_holds(small):
    checks = json.loads((small[1] / "results.json").read_text())["checks"]
    digits = [check for check in checks if check["source"] == mean_field.PAPERS]

    assert len(digits) == 19
    assert [check["what"] for check in digits if not check["held"]] == []


def test_every_activation_that_theory_knows_has_pairs():
    assert {layers.activation for layers in mean_field.PAIRS} == set(ACTIVATIONS)
    assert len(NAMES) == len(mean_field.PAIRS) >= 16


@pytest.mark.parametrize("name", mean_field.PUBLISHED)
def test_the_pairs_have_the_variances_of_the_published_table(name):
    variances = {
        "sigmoid, Glorot": (1, 0),
        "sigmoid, Nielsen": (1, 1),
        "sigmoid, He": (2, 0),
        "tanh, standard": (1 / 3, 0),
        "tanh, (1.76, 0.05)": (1.76, 0.05),
        "ReLU, Glorot": (1, 0),
        "ReLU, He": (2, 0),
    }
    network = mlp.network(
        "linear", 1, 700, NAMES[name].kernel, biases=NAMES[name].biases, inputs=700
    )
    kernel, biases = network.get_weights()[:2]

    assert 700 * np.var(kernel) == pytest.approx(variances[name][0], rel=0.02)
    assert np.mean(biases**2) == pytest.approx(variances[name][1], rel=0.2)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_of_theorys_size_start_at_the_fixed_point(name):
    layers = NAMES[name]
    found = mean_field.theory(layers, 3)
    kernel, biases = (keras.initializers.get(i) for i in (layers.kernel, layers.biases))
    x = found["input_rms"] * np.random.default_rng(0).normal(size=[40, 500])
    inputs = x @ np.array(kernel([500, 500])) + np.array(biases([500]))
    f = ACTIVATIONS[layers.activation]
    slopes = found["weight_variance"] * np.mean(f.derivative(inputs) ** 2)

    assert slopes == pytest.approx(found["chi"], rel=0.08)
    if 0 < found["q"] < np.inf:
        assert np.mean(inputs**2) == pytest.approx(found["q"], rel=0.15)


def test_the_worst_pair_has_the_ratio_farthest_from_one():
    results = {"a": result(1.0, 1.1), "b": result(2.0, 1.0), "c": result(1.0, 1.9)}

    assert mean_field._worst(results, "factor", "sqrt_chi") == 0.5


@pytest.mark.parametrize(
    ("name", "factor", "seen"),
    [("sigmoid, Glorot", 0.2360, 0.237), ("ReLU, Glorot", 0.7071, 0.707), ("ReLU, He", 1, 1.003)],
)
def test_the_measured_factor_agrees_with_the_published_one(name, factor, seen):
    """Uses ten layers of 512 and two draws; the experiment uses three."""
    layers = NAMES[name]
    steps = first_steps(layers.activation)
    found = [
        factor_per_layer(
            steps.of(mlp.network(layers.activation, 10, 512, layers.kernel, inputs=512)).signal
        )
        for _ in range(2)
    ]

    assert np.mean(found) == pytest.approx(factor, rel=0.05)
    assert np.mean(found) == pytest.approx(seen, rel=0.05)


def test_networks_and_inputs_are_redrawn_with_inputs_of_the_requested_size():
    steps = FirstSteps(seed=0)
    first, second = (
        steps.of(mlp.network("relu", 2, 8, "he_normal", inputs=100), input_rms=0.1)
        for _ in range(2)
    )

    assert not np.array_equal(first.weights[0], second.weights[0])
    assert first.x.shape == (BATCH_SIZE, 100)
    assert np.std(first.x) == pytest.approx(0.1, rel=0.02)
    assert not np.array_equal(first.x, second.x)

"""Deeper is worse: the small form, and the factor per layer against an independent tape."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments.common import mlp, mnist, options, pages
from experiments.common.factors import fitted_factor
from experiments.common.sweep import Work
from experiments.depth import SMALL, experiment
from experiments.depth.expected import TOLERANCE, checks, theory


def test_there_is_a_gradient_and_an_accuracy_for_each_depth(small):
    numbers = small["numbers"]

    assert numbers["depths"] == [1, 3, 4]
    for name in experiment.ACTIVATIONS:
        assert len(numbers[name]["gradient"]) == len(numbers[name]["accuracy"]) == 3
        assert all(gradient > 0 for gradient in numbers[name]["gradient"])
        assert all(0 <= accuracy <= 1 for accuracy in numbers[name]["accuracy"])


def test_theory_uses_the_activation_and_the_initializer(small):
    numbers = small["numbers"]
    sigmoid, tanh, relu = (numbers[name]["theory_factor"] for name in experiment.ACTIVATIONS)

    assert (sigmoid, relu) == pytest.approx((0.23605, math.sqrt(0.5)), rel=2e-4)
    assert numbers["relu"]["theory_gradient"] == pytest.approx([1, 0.5, 0.125**0.5], rel=1e-5)
    assert 0.9 < tanh < 1  # it approaches 1 slowly


def test_theory_and_its_tolerance_are_those_of_networks_in_numpy():
    """The tolerances come from 60 draws with all depths and activations; here is one with tanh."""
    depths, width = [1, 2, 5, 12, 30], 128
    x, y = mnist.load_subset().x_train[:128], np.eye(10)[mnist.load_subset().y_train[:128]]
    settings = mlp.Settings(1, width, 1, 128, 0.1, "sgd", "glorot_uniform", 0, False)
    ours = theory("tanh", settings, depths, 784, float(np.mean(x**2)))

    def gradient(depth):
        random, outputs, kernels = np.random.default_rng(depth), [x], []
        for a, b in itertools.pairwise([784, *depth * [width], 10]):
            kernels.append(random.uniform(-1, 1, (a, b)) * np.sqrt(6 / (a + b)))
            outputs.append(np.tanh(outputs[-1] @ kernels[-1]))
        logits = np.arctanh(outputs.pop())
        delta = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) - y
        for kernel, output in zip(kernels[:0:-1], outputs[:0:-1], strict=True):
            delta = delta @ kernel.T * (1 - output**2)
        return np.linalg.norm(x.T @ delta)

    factor, in_theory = (
        fitted_factor(depths, values) for values in (list(map(gradient, depths)), ours)
    )
    assert in_theory < 1 - TOLERANCE["tanh"]
    assert factor == pytest.approx(in_theory, rel=TOLERANCE["tanh"])


def test_the_gradient_equals_a_tapes_on_the_first_batch(tmp_path):
    chosen = options.experiment_parser("depth").parse_args(SMALL)
    data = mnist.load_subset().limited(100)
    settings = mlp.settings(chosen, data)
    gradient, _ = experiment.train(("tanh", settings), Work(tmp_path, data, "cpu"))
    model = mlp.build("tanh", settings)
    x, y = next(iter(mlp.batches(data, settings)))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, model(x)))
    expected = np.linalg.norm(tape.gradient(loss, model.layers[1].kernel))

    assert gradient == pytest.approx(expected, rel=1e-5)


def held(**changed):
    """Returns which claims hold for theory's own values, apart from changes to sigmoid's."""
    results = {}
    for name, factor in (("sigmoid", 0.236), ("tanh", 1.0), ("relu", 0.707)):
        results[name] = {"theory_factor": factor, "factor": factor}
        results[name]["gradient"] = [factor, factor**2, factor**3]
    results["sigmoid"] |= changed
    return [check.held for check in checks([1, 2, 3], results)]


@pytest.mark.parametrize(
    ("changed", "which"),
    [
        ({}, None),
        ({"gradient": [0.2, 0.1, 0.11]}, 0),
        ({"gradient": [0.2, math.nan, 0.1]}, 0),
        ({"factor": 0.243}, 1),
        ({"factor": 0.229}, 1),
        ({"factor": math.nan}, 1),
    ],
)
def test_claims_fail_for_differing_values_only(changed, which):
    assert held(**changed) == [i != which for i in range(4)]


def test_a_single_depth_gives_no_answer_about_deeper_ones():
    results = {"sigmoid": {"theory_factor": 0.2, "factor": math.nan, "gradient": [1.0]}}

    assert [check.held for check in checks([3], results)] == [False]


def test_committed_results_cover_fifty_layers():
    assert pages.read(pages.FOLDER / "depth")["numbers"]["depths"][-1] == 50

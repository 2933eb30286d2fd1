"""Deeper is worse: the small form, and the factor per layer against an independent tape."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_form import run_small

from experiments.common import mlp, mnist, options, pages
from experiments.common.sweep import Work
from experiments.depth import SMALL, experiment
from experiments.depth.expected import checks


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    return run_small("depth", tmp_path_factory.mktemp("depth"))["numbers"]


def test_there_is_a_gradient_and_an_accuracy_for_each_depth(numbers):
    assert numbers["depths"] == [1, 3, 4]
    for name in experiment.ACTIVATIONS:
        assert len(numbers[name]["gradient"]) == len(numbers[name]["accuracy"]) == 3
        assert all(gradient > 0 for gradient in numbers[name]["gradient"])
        assert all(0 <= accuracy <= 1 for accuracy in numbers[name]["accuracy"])


def test_theory_uses_the_activation_and_the_initializer(numbers):
    factors = [numbers[name]["theory"] for name in ("sigmoid", "tanh", "relu")]

    assert factors == pytest.approx([0.23605, 1, math.sqrt(0.5)], rel=1e-4)


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
    results = {
        name: {"theory": factor, "factor": factor, "gradient": [factor, factor**2, factor**3]}
        for name, factor in (("sigmoid", 0.236), ("tanh", 1.0), ("relu", 0.707))
    }
    results["sigmoid"] |= changed
    return [check.held for check in checks([1, 2, 3], results)]


def test_claims_hold_for_theorys_values():
    assert held() == [True] * 4


@pytest.mark.parametrize(
    ("changed", "which"),
    [
        ({"gradient": [0.2, 0.1, 0.11]}, 0),
        ({"gradient": [0.2, math.nan, 0.1]}, 0),
        ({"factor": 0.26}, 1),
        ({"factor": 0.21}, 1),
        ({"factor": math.nan}, 1),
    ],
)
def test_claims_fail_for_differing_values(changed, which):
    assert held(**changed) == [i != which for i in range(4)]


def test_a_single_depth_gives_no_answer_about_deeper_ones():
    results = {"sigmoid": {"theory": 0.2, "factor": math.nan, "gradient": [1.0]}}

    assert [check.held for check in checks([3], results)] == [False]


def test_committed_results_cover_fifty_layers():
    assert pages.read(pages.FOLDER / "depth")["numbers"]["depths"][-1] == 50

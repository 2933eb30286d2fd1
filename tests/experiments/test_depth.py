"""Deeper is worse: the small form, and the factor per layer against an independent tape."""

import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_form import run_small

from experiments import depth
from experiments.common import mlp, mnist, options
from experiments.common.sweep import Work


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_small("depth", tmp_path_factory.mktemp("depth"))


def test_there_is_a_gradient_and_an_accuracy_for_each_depth(results):
    numbers = results["numbers"]

    assert numbers["depths"] == [1, 3, 4]
    for activation in ("sigmoid", "tanh", "relu"):
        assert len(numbers[activation]["gradient"]) == 3
        assert all(gradient > 0 for gradient in numbers[activation]["gradient"])
        assert all(0 <= accuracy <= 1 for accuracy in numbers[activation]["accuracy"])


def test_theory_uses_the_activation_and_the_initializer(results):
    factors = [results["numbers"][name]["theory"] for name in ("sigmoid", "tanh", "relu")]

    assert factors == pytest.approx([0.23605, 1, math.sqrt(0.5)], rel=1e-4)


def test_every_claim_is_checked(results):
    checks = {check["what"]: check for check in results["checks"]}

    assert len(checks) == 4
    assert checks["sigmoid: factor by which a layer more changes the first layer's gradient"][
        "held"
    ]


def test_the_gradient_equals_a_tapes_on_the_first_batch(tmp_path):
    parser = options.parser(depth)
    chosen = mlp.settings(parser.parse_args([*depth.SMALL]), mnist.load_subset())
    data = mnist.load_subset().limited(100)
    gradient, _ = depth.train(("tanh", chosen), Work(tmp_path, data, "cpu"))
    model = mlp.build("tanh", chosen)
    batch = first_batch(model, chosen, data)
    with tf.GradientTape() as tape:
        loss = keras.losses.sparse_categorical_crossentropy(batch[1], model(batch[0]))
        loss = tf.reduce_mean(loss)
    expected = np.linalg.norm(tape.gradient(loss, model.layers[1].kernel))

    assert gradient == pytest.approx(expected, rel=1e-5)


def first_batch(model, chosen, data):
    """Returns the first batch of a fit that shuffles by the seed."""
    seen = []

    class Spy(keras.Model):
        def train_step(self, batch):
            tf.py_function(lambda x, y: seen.append((x.numpy(), y.numpy())), [*batch], [])
            return {"loss": tf.constant(0.0)}

    spy = Spy(model.inputs, model.outputs)
    spy.compile("sgd", "mse")
    keras.utils.set_random_seed(chosen.seed)
    spy.fit(data.x_train, data.y_train, batch_size=chosen.batch_size, verbose=0)
    return seen[0]


def held(**changed):
    """Returns which claims hold for theory's own values, apart from changes to sigmoid's."""
    results = {
        name: {"theory": factor, "factor": factor, "gradient": [factor, factor**2, factor**3]}
        for name, factor in (("sigmoid", 0.236), ("tanh", 1.0), ("relu", 0.707))
    }
    results["sigmoid"] |= changed
    return [check.held for check in depth._checks([1, 2, 3], results)]


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

    assert [check.held for check in depth._checks([3], results)] == [False]


def test_committed_results_cover_fifty_layers_of_all_of_mnist():
    folder = Path(depth.__file__).parent / "results" / "depth"
    results = json.loads((folder / "results.json").read_text())

    assert results["data"]["name"] == "MNIST"
    assert results["numbers"]["depths"][-1] == 50

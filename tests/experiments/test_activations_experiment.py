"""Differences between images in networks of each activation, against NumPy, a tape and theory."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sketches import sketch_of

from experiments.activations import expected, experiment
from experiments.common import mlp
from experiments.common.mnist import Mnist
from experiments.common.sweep import Work


@pytest.fixture
def work(tmp_path):
    x, y = np.random.default_rng(0).random((60, 784), np.float32), np.arange(60) % 10
    return Work(tmp_path, Mnist(x, y, x, y, "noise", "a test"), "cpu")


def settings(depth, width):
    return experiment.Settings(depth, width, "glorot_uniform", images=60, num_seeds=1)


def test_results_cover_every_activation_layer_and_seed(small):
    assert tuple(small["numbers"]) == experiment.ACTIVATIONS
    for result in small["numbers"].values():
        assert np.shape(result["spread"]) == (2, 3)
        assert np.shape(result["gradients"]) == (2, 2)
        assert list(result["histograms"]) == ["1", "2"]


def test_every_histogram_contains_all_outputs_but_its_tails(small):
    outputs = 2 * 20 * 4  # seeds, images, units
    for result in small["numbers"].values():
        for histogram in result["histograms"].values():
            assert 0.95 * outputs <= sum(histogram["outputs"]) <= outputs + 0.01


def test_every_activation_receives_the_same_images(small):
    assert len({result["spread"][0][0] for result in small["numbers"].values()}) == 1


def test_spread_and_gradients_equal_those_of_numpy_and_a_tape(work):
    record = experiment.record_of("sigmoid", settings(3, 7), 5, work)
    mlp.begin(5)
    network = mlp.network("sigmoid", 3, 7, "glorot_uniform", dtype="float64")
    values, outputs = [work.digits.x_train.astype(np.float64)], []
    for kernel, bias in zip(network.weights[:6:2], network.weights[1:6:2], strict=True):
        values.append(1 / (1 + np.exp(-(values[-1] @ kernel.numpy() + bias.numpy()))))
    spread = [np.sqrt(np.mean((v - v.mean(axis=0)) ** 2)) for v in values]
    with tf.GradientTape() as tape:
        for layer in network.layers[1:]:
            outputs.append(layer(outputs[-1] if outputs else values[0]))
        loss = keras.losses.sparse_categorical_crossentropy(work.digits.y_train, outputs[-1])
    rms = [np.sqrt(np.mean(g.numpy() ** 2)) for g in tape.gradient(loss, outputs[:-1])]

    assert [record.activations[f"deviation_{i}"].rms for i in range(4)] == pytest.approx(spread)
    found = [record.activation_gradient_rms_per_example(f"hidden_{i}") for i in (1, 2, 3)]
    assert found == pytest.approx(rms, rel=1e-5)


def test_sigmoid_shrinks_spread_and_signal_by_theorys_factor(work):
    """Uses the default ten layers of 128, with one seed and 60 noise images."""
    result = experiment.measure(("sigmoid", settings(10, 128)), work)
    forward = (result["spread"][0][-1] / result["spread"][0][1]) ** (1 / 9)
    backward = (result["gradients"][0][0] / result["gradients"][0][-1]) ** (1 / 9)

    assert (forward, backward) == pytest.approx((0.2360, 0.2360), rel=0.1)


@pytest.mark.parametrize(
    ("values", "bins", "counts"),
    [
        ([0.5, 0.6, 0.7, 0.8, 0.99], [0.5, 0.625, 0.875, 1.0], [2, 2, 1]),  # edges of buckets
        ([1.0, 1.1, 1.2, 1.2], [0.9, 1.05, 1.1, 3.0], [1, 1, 2]),  # spread evenly over 1 to 1.2
        ([0.0, 0.0, 0.0, 100.0], [-1.0, 0.0, 1.0], [0, 3]),
    ],
)
def test_a_sketch_is_rebinned(values, bins, counts):
    assert experiment.rebinned(sketch_of(values), np.array(bins)) == pytest.approx(counts)


def test_the_factor_per_layer_is_the_median_over_the_seeds():
    assert experiment.median_factor([[8, 4, 2], [5, 5, 5], [3, 9, 12]]) == pytest.approx(1)
    assert experiment.median_factor([[1, 0.1, 0.01]]) == pytest.approx(10)


def results_of(changed, **factors):
    """Returns results in which spread and signal change by a constant factor per layer."""
    found = {}
    for name in experiment.ACTIVATIONS:
        factor = factors.get(name, 1.0)
        found[name] = dict.fromkeys(("forward", "backward", "theory"), factor)
        found[name] |= {"spread": [[1, *(factor ** np.arange(5))]], "remaining": factor**4}
        found[name] |= changed.get(name, {})
    return found


@pytest.mark.parametrize(
    ("tanh", "relu", "changed", "failing"),
    [
        (0.5, 1.0, {}, []),
        (0.99, 0.7, {}, ["spread that remains in", "ReLU: factor of the spread per layer, if"]),
        (0.5, 1.0, {"elu": {"backward": np.nan}}, ["largest difference"]),
        (0.5, 1.0, {"gelu": {"forward": 0.95, "theory": 1.1}}, ["GELU: factor of the spread"]),
        (0.5, 1.0, {"sigmoid": {"backward": 0.3}}, ["sigmoid: factor of the b", "largest diff"]),
        (0.5, 1.0, {"tanh": {"spread": [[1, 1, 0.5, 0.6, 0.1]]}}, ["tanh: layers whose spread"]),
    ],
)
def test_claims_fail_for_differing_values_only(tanh, relu, changed, failing):
    checks = [*expected.checks(results_of(changed, sigmoid=0.2, tanh=tanh, relu=relu))]
    found = [check.what for check in checks if not check.held]

    assert len(checks) == 15
    assert [w[: len(begin)] for w, begin in zip(found, failing, strict=True)] == failing

"""What activations do to the differences between images: the small form, and the measurement."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import activations
from experiments.common import command_line, mlp
from experiments.common.mnist import Mnist
from experiments.common.sweep import Work
from vg_keras import Sketch
from vg_keras.sketch import buckets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    arguments = [*activations.SMALL, "--jobs=1", "--quiet", f"--log-dir={logs}", "--data=subset"]
    assert command_line.main("activations", arguments) == 0
    (folder,) = (logs / "activations").iterdir()
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "results.json").read_text())


@pytest.fixture
def work(tmp_path):
    random = np.random.default_rng(0)
    x = random.random((60, 784), np.float32)
    y = random.integers(0, 10, 60)
    return Work(tmp_path, Mnist(x, y, x, y, "noise", "a test"), "cpu")


def settings(depth, width, images=60):
    return activations.Settings(depth, width, "glorot_uniform", images, seeds=1)


def sketch_of(values):
    values = np.asarray(values, np.float64)
    moments = [
        values.sum(),
        np.abs(values).sum(),
        np.linalg.norm(values),
        values.min(),
        values.max(),
        np.sum(values == 0),
        0,
        0,
    ]
    return Sketch.of(np.bincount(buckets.bucket_of(values), minlength=2048), moments)


def test_the_small_form_draws_a_figure(folder):
    assert (folder / "activations.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "activations.svg").read_text()


def test_results_hold_every_activation_layer_and_seed(results):
    numbers = results["numbers"]

    assert tuple(numbers) == activations.ACTIVATIONS
    for result in numbers.values():
        assert np.shape(result["spans"]) == (2, 4)
        assert np.shape(result["gradients"]) == (2, 3)
        assert np.shape(result["ranges"]) == (3, 2)
        assert list(result["histograms"]) == ["1", "2", "3"]
    assert results["settings"]["initializer"] == "glorot_uniform"


def test_every_histogram_contains_all_outputs_but_its_tails(results):
    outputs = 2 * 20 * 8  # seeds, images, units
    for result in results["numbers"].values():
        for histogram in result["histograms"].values():
            assert 0.95 * outputs <= sum(histogram["outputs"]) <= outputs + 0.01


def test_every_activation_sees_the_same_images(results):
    of_the_input = [result["spans"][0][0] for result in results["numbers"].values()]

    assert len(set(of_the_input)) == 1


def test_all_claims_are_in_the_results(results):
    whats = [check["what"] for check in results["checks"]]

    assert len(whats) == len(set(whats)) == 15
    assert whats[0] == "sigmoid: factor of the span a layer"
    assert whats[-1] == "ReLU: factor of the span a layer, which is not to squash"


def test_spans_and_gradients_agree_with_numpy_and_a_tape(work):
    record = activations.record_of("sigmoid", settings(3, 7), 5, work)
    x = work.digits.x_train.astype(np.float64)

    mlp.begin(5)
    with mlp.double_precision():
        network = mlp.network("sigmoid", 3, 7, "glorot_uniform")
    outputs = [x]
    for kernel, bias in zip(network.weights[:6:2], network.weights[1:6:2], strict=True):
        outputs.append(1 / (1 + np.exp(-(outputs[-1] @ kernel.numpy() + bias.numpy()))))
    tails = [tf.constant(values) for values in outputs[1:]]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tails)
        losses = []
        for depth, values in enumerate(tails):
            for layer in network.layers[depth + 2 :]:
                values = layer(values)
            found = keras.losses.sparse_categorical_crossentropy(work.digits.y_train, values)
            losses.append(tf.reduce_sum(found))

    for depth, values in enumerate(outputs):
        span = np.sqrt(np.mean((values - values.mean(axis=0)) ** 2))
        assert record.activations[f"deviation_{depth}"].rms == pytest.approx(span, rel=1e-6)
    for depth, (loss, values) in enumerate(zip(losses, tails, strict=True), 1):
        rms = np.sqrt(np.mean(tape.gradient(loss, values).numpy() ** 2))
        found = record.activation_gradient_rms_per_example(f"hidden_{depth}")
        assert found == pytest.approx(rms, rel=1e-5)


def test_the_measurement_leaves_keras_in_single_precision(work):
    activations.record_of("relu", settings(1, 4), 0, work)

    assert keras.config.dtype_policy().name == "float32"


def test_sigmoid_squashes_forward_and_backward_by_theorys_factor(work):
    """Uses the default ten layers of 128, with one seed and 60 noise images."""
    result = activations.measure(("sigmoid", settings(10, 128)), work)
    forward = (result["spans"][0][-1] / result["spans"][0][1]) ** (1 / 9)
    backward = (result["gradients"][0][0] / result["gradients"][0][-1]) ** (1 / 9)

    assert forward == pytest.approx(0.2360, rel=0.1)
    assert backward == pytest.approx(0.2360, rel=0.1)


def test_rebinned_counts_equal_numpys_if_bins_and_buckets_share_edges():
    random = np.random.default_rng(0)
    values = random.uniform(0.5, 1, 1000)
    values[:2] = 0.5, 1 - 2**-24  # the edges of the outermost buckets
    bins = np.array([0.5, 0.625, 0.875, 1.0])

    assert activations.rebinned(sketch_of(values), bins) == pytest.approx(
        np.histogram(values, bins)[0]
    )


def test_rebinned_counts_spread_an_interval_evenly():
    sketch = sketch_of([1.0, 1.1, 1.2, 1.2])

    assert activations.rebinned(sketch, np.array([0.9, 1.05, 1.1, 3.0])) == pytest.approx([1, 1, 2])


def test_zeros_fall_into_the_bin_that_starts_there_and_outliers_into_none():
    sketch = sketch_of([0.0, 0.0, 0.0, 100.0])

    assert activations.rebinned(sketch, np.array([-1.0, 0.0, 1.0])).tolist() == [0, 3]


def test_the_factor_is_the_median_over_seeds_per_layer():
    assert activations._factor([[8, 4, 2], [5, 5, 5], [3, 9, 12]]) == pytest.approx(1)
    assert activations._factor([[1, 0.1, 0.01]]) == pytest.approx(10)


def handmade(**factors):
    """Results in which each activation's span and signal change by a constant factor per layer."""
    return {
        name: {
            "spans": [[1.0, *(factors.get(name, 1.0) ** np.arange(5))]],
            "forward": factors.get(name, 1.0),
            "backward": factors.get(name, 1.0),
            "theory": factors.get(name, 1.0),
        }
        for name in activations.ACTIVATIONS
    }


def held(results):
    return {check.what: check.held for check in activations._checks(results)}


def test_claims_hold_if_sigmoid_and_tanh_squash_and_relu_does_not():
    assert all(held(handmade(sigmoid=0.2, tanh=0.5)).values())


def test_claims_do_not_hold_if_relu_squashes_instead():
    found = held(handmade(sigmoid=0.2, tanh=0.99, relu=0.7))

    assert [what for what, is_held in found.items() if not is_held] == [
        "what tanh leaves of the span, relative to what ReLU leaves",
        "ReLU: factor of the span a layer, which is not to squash",
    ]


def test_a_factor_unlike_theorys_or_the_backward_one_does_not_hold():
    results = handmade(sigmoid=0.2, tanh=0.5)
    results["sigmoid"]["backward"] = 0.3

    assert [what for what, is_held in held(results).items() if not is_held] == [
        "sigmoid: factor of the backpropagated signal a layer",
        "largest difference between the factors forward and backward, %",
    ]


def test_a_layer_that_widens_the_span_again_fails_the_claim():
    results = handmade(sigmoid=0.2, tanh=0.5)
    results["tanh"]["spans"] = [[1, 1, 0.5, 0.6, 0.1, 0.05]]

    assert not held(results)["tanh: layers behind the first one that widen the span"]

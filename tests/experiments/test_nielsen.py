"""The book's measurement: against a NumPy twin, and against the book's own numbers.

The published numbers at the start are checked with 100 networks of each depth instead of 400, those
during training with 3 networks of 4 hidden layers instead of 20 of each depth; all on the first
1,000 training digits of the installed subset.
"""

import itertools
import json

import numpy as np
import pytest

from experiments import nielsen
from experiments.common import command_line, mnist
from experiments.common.sweep import Work
from experiments.figures.nielsen import draw


def measure(digits, *series):
    work = Work(None, digits, "cpu")
    return np.array(nielsen.measure(nielsen.Series(*series), work))


@pytest.fixture(scope="module")
def digits():
    return mnist.load("subset").limited(1000)


@pytest.fixture(scope="module")
def start(digits):
    """For each depth the norms of 100 networks at the start, `[100, layers]`."""
    return {depth: measure(digits, depth, 100, 1)[:, 0] for depth in (2, 3, 4)}


@pytest.fixture(scope="module")
def training(digits):
    """The norms of three networks with four hidden layers, `[3, 500, 4]`."""
    return measure(digits, 4, 3, 500)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The exit status and the folder of the small form."""
    logs = tmp_path_factory.mktemp("logs")
    arguments = [*nielsen.SMALL, "--data=subset", "--jobs=1", "--quiet", f"--log-dir={logs}"]
    status = command_line.main("nielsen", arguments)
    (folder,) = (logs / "nielsen").iterdir()
    return status, folder


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def twin(x, y, parameters, steps):
    """The book's network in float64 NumPy: the norm of the mean bias gradient of each layer."""
    w, b = list(parameters[::2]), list(parameters[1::2])
    norms = []
    for _ in range(steps):
        a = [x]
        for kernel, bias in zip(w, b, strict=True):
            a.append(sigmoid(a[-1] @ kernel + bias))
        deltas = [a[-1] - np.eye(10)[y]]
        for kernel, out in zip(w[:0:-1], a[-2:0:-1], strict=True):
            deltas.insert(0, deltas[0] @ kernel.T * out * (1 - out))
        norms.append([np.linalg.norm(delta.mean(0)) for delta in deltas[:-1]])
        for i, delta in enumerate(deltas):
            w[i] = 0.9995 * w[i] - 0.1 * a[i].T @ delta / len(x)
            b[i] = b[i] - 0.1 * delta.mean(0)
    return norms


def test_the_norms_agree_with_float64_for_each_network_and_step(digits):
    few = digits.limited(12)
    ours = measure(few, 3, 2, 40)
    x, y = few.x_train.astype(np.float64), few.y_train
    theirs = [twin(x, y, nielsen.weights(3, seed), 40) for seed in (0, 1)]

    assert ours.shape == (2, 40, 3)
    np.testing.assert_allclose(ours, theirs, rtol=2e-5)


def test_weights_have_the_variance_of_the_book():
    drawn = nielsen.weights(2, 0)
    biases = np.concatenate([b for seed in range(100) for b in nielsen.weights(2, seed)[1::2]])

    assert [w.shape for w in drawn] == [(784, 30), (30,), (30, 30), (30,), (30, 10), (10,)]
    assert drawn[0].std() * np.sqrt(784) == pytest.approx(1, abs=0.02)
    assert drawn[2].std() * np.sqrt(30) == pytest.approx(1, abs=0.08)
    assert biases.std() == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize(
    ("depth", "published"),
    [
        (2, [0.065741, 0.309218]),
        (3, [0.011838, 0.059965, 0.283142]),
        (4, [0.002975, 0.017077, 0.069539, 0.285139]),
    ],
)
def test_the_published_norms_at_the_start_are_among_the_middle_90_percent(start, depth, published):
    low, high = np.percentile(start[depth], (5, 95), axis=0)

    assert (low < published).all()
    assert (published < high).all()


@pytest.mark.parametrize(("depth", "published"), [(2, 4.70), (3, 23.9), (4, 95.8)])
def test_the_published_ratio_at_the_start_is_among_the_middle_90_percent(start, depth, published):
    low, high = np.percentile(start[depth][:, -1] / start[depth][:, 0], (5, 95))

    assert low < published < high


def test_the_initial_speed_of_a_layer_follows_from_the_next_by_theory(start):
    ratios = [start[d][:, i] / start[d][:, i + 1] for d in start for i in range(d - 1)]

    assert np.median(ratios) == pytest.approx(0.2048, rel=0.1)
    assert nielsen._theory() == pytest.approx(0.2048, abs=5e-5)


def test_nine_in_ten_ratios_are_within_the_computed_bands(start):
    checks = [c for c in nielsen._checks(start, _as_training(start)) if c.published == "90"]

    assert len(checks) == 4
    assert [check.what for check in checks if not check.held] == []


def test_each_of_four_hidden_layers_is_slower_than_the_next_in_all_epochs(training):
    assert all((training[..., i] < training[..., j]).all() for i, j in itertools.pairwise(range(4)))


def test_the_published_training_ratios_are_close_to_those_of_three_networks(training):
    ratios = training[..., -1] / training[..., 0]

    assert np.median(ratios.min(axis=1)) == pytest.approx(49.2, rel=0.5)
    assert np.median(ratios.max(axis=1)) == pytest.approx(137.8, rel=0.5)
    assert np.median(ratios[:, -1]) == pytest.approx(112.6, rel=0.5)


def test_the_trained_networks_start_like_those_measured_at_the_start(start, training):
    # The third starts after 1,000 steps, beyond which the monitor drops records.
    np.testing.assert_allclose(training[:, 0], start[4][:3], rtol=1e-5)


def _as_training(start, epochs=2):
    return {depth: np.repeat(norms[:, None], epochs, axis=1) for depth, norms in start.items()}


def _handmade():
    """For each depth, 400 networks in which each layer has 0.2 times the speed of the next."""
    spread = np.linspace(0.5, 1.5, 400)[:, None]
    return {d: 0.3 * spread * 0.2 ** np.arange(d)[::-1] for d in (2, 3, 4)}


def _failed(start, training):
    return {check.what for check in nielsen._checks(start, training) if not check.held}


def test_a_published_number_holds_only_among_the_middle_90_percent_of_ours():
    ours = np.arange(1.0, 101.0)
    held = [nielsen._look_up("", published, ours).held for published in (4, 5, 95, 96)]

    assert held == [False, True, True, False]


def test_a_fraction_of_nine_in_ten_is_required_within_three_standard_errors():
    ratios = np.repeat([0.0, 1.0], [80, 320])
    check = nielsen._share("", ratios, (0.5, 1.5), ratios)

    assert check.ours == 80
    assert check.low == pytest.approx(90 - 3 * 100 * np.sqrt(0.09 / 200))
    assert not check.held


def test_one_epoch_in_which_a_layer_overtakes_the_next_is_detected():
    start = _handmade()
    training = _as_training(start)
    training[3][7, 1, 0] = 1.0
    what = "3 hidden layers: % of epochs and networks in which every layer is slower than the next"

    assert _failed(start, training) - _failed(start, _as_training(start)) >= {what}
    assert what not in _failed(start, _as_training(start))


def test_the_ratios_are_taken_at_their_moments():
    norms = np.array([[[1.0, 4.0], [1.0, 2.0], [1.0, 6.0], [1.0, 3.0]]])

    assert {name: r.tolist() for name, r in nielsen.by_moment(norms).items()} == {
        "start": [4.0],
        "min": [2.0],
        "max": [6.0],
        "end": [3.0],
    }


def test_the_figure_has_the_titles_of_the_book_and_a_shared_scale():
    axes = draw(_as_training(_handmade()), "title").axes

    assert [a.get_title() for a in axes[:3]] == [
        f"Speed of learning: {depth} hidden layers" for depth in (2, 3, 4)
    ]
    assert {a.get_yscale() for a in axes} == {"log"}
    assert len({a.get_ylim() for a in axes[:3]}) == 1


def test_the_small_form_saves_the_figure_and_the_numbers(small):
    status, folder = small
    results = json.loads((folder / "results.json").read_text())

    assert status == 0
    assert (folder / "nielsen.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "nielsen.svg").read_text()
    assert results["question"].endswith("?")
    assert list(results["numbers"]) == ["2", "3", "4"]
    for depth, numbers in results["numbers"].items():
        assert [len(norms) for norms in numbers["start_norms"].values()] == 3 * [int(depth)]
        assert [len(numbers["ratios"][moment]) for moment in nielsen.MOMENTS] == 4 * [2]
        assert numbers["epochs"] == [0]


def test_the_small_form_states_which_digits_it_used(small):
    results = json.loads((small[1] / "results.json").read_text())
    data = "5,000-digit subset of MNIST, first 20 training images"

    assert results["data"]["name"] == data
    assert f"on {data}." in results["answer"]
    assert data in (small[1] / "nielsen.svg").read_text()

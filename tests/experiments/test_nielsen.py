"""The book's measurement: against a NumPy twin, and against the book's own numbers.

The twin is the source of the bands that the experiment's networks are compared with: a test draws
as many networks as the bands came from. All on the first 1,000 digits of the installed subset.
"""

import itertools

import numpy as np
import pytest

from experiments.common import mnist
from experiments.common.sweep import Work
from experiments.nielsen import expected, experiment
from experiments.nielsen.experiment import _numbers, findings
from experiments.nielsen.figure import draw


@pytest.fixture(scope="module")
def digits():
    return mnist.load_subset().limited(1000)


@pytest.fixture(scope="module")
def training(digits):
    """The norms of three networks with four hidden layers, trained by Keras, `[3, 500, 4]`."""
    series = experiment.Series(4, trained=3, epochs=500, drawn=2)
    start, training = experiment.measure(series, Work(None, digits, "cpu"))
    np.testing.assert_allclose(start, training[:2, 0], rtol=1e-5)
    return training


@pytest.fixture(scope="module")
def start(digits):
    """For each depth the twin's norms of 400 networks at the start, `[400, layers]`."""
    random, draws = np.random.default_rng(0), range(expected.TWIN_DRAWS)
    return {d: np.array([next(twin(digits, drawn(random, d))) for _ in draws]) for d in (2, 3, 4)}


def drawn(random, depth):
    """Draws weights and biases from the distributions of the book, layer by layer."""
    for inputs, units in itertools.pairwise([784, *depth * [30], 10]):
        yield random.normal(0, 1 / np.sqrt(inputs), (inputs, units)), random.normal(0, 1, units)


def twin(digits, layers):
    """The book's network in float64 NumPy: the norm of each layer's bias gradient, at each step."""
    x, y = digits.x_train.astype(np.float64), np.eye(10)[digits.y_train]
    w, b = map(list, zip(*layers, strict=True))
    while True:
        a = [x]
        for kernel, bias in zip(w, b, strict=True):
            a.append(1 / (1 + np.exp(-(a[-1] @ kernel + bias))))
        deltas = [a[-1] - y]
        for kernel, out in zip(w[:0:-1], a[-2:0:-1], strict=True):
            deltas.insert(0, deltas[0] @ kernel.T * out * (1 - out))
        yield [np.linalg.norm(delta.mean(0)) for delta in deltas[:-1]]
        for i, delta in enumerate(deltas):
            w[i] = 0.9995 * w[i] - 0.1 * a[i].T @ delta / len(x)
            b[i] = b[i] - 0.1 * delta.mean(0)


@pytest.mark.parametrize("seed", [0, 2])  # 2 begins beyond the 1,000 records of the monitor
def test_the_norms_of_each_step_agree_with_the_twin(digits, training, seed):
    theirs = itertools.islice(twin(digits, drawn(np.random.default_rng(seed), 4)), 40)

    np.testing.assert_allclose(training[seed, :40], list(theirs), rtol=2e-5)


def test_the_bands_are_those_of_the_twin_up_to_sampling_error(start):
    ratios = {expected.BANDS[d]: expected.last_to_first(norms) for d, norms in start.items()}
    ratios[expected.NEIGHBOR_BAND] = expected.neighbors(start)
    room = expected.sampling_error(0.05, 400)

    assert room == pytest.approx(3 * np.sqrt(0.05 * 0.95 / 200))
    for (low, high), values in ratios.items():
        assert np.mean(values < low) == pytest.approx(0.05, abs=room)
        assert np.mean(values > high) == pytest.approx(0.05, abs=room)


def test_three_networks_with_four_hidden_layers_train_like_the_books(training):
    medians = [np.median(ratios) for ratios in expected.by_moment(training).values()]

    assert expected.slower(training).all()
    assert medians[1:] == pytest.approx(expected.RATIOS[4][1:], rel=0.5)


@pytest.fixture
def book():
    """Two networks of each depth whose ratios surround the book's: at start, max, min and end."""
    found = {}
    for depth, (first, least, largest, last) in expected.RATIOS.items():
        ratios = np.outer([0.9, 1.1], [first, largest, least, last])
        found[depth] = ratios[..., None] ** (np.arange(depth) / (depth - 1))
    return found


def failed(start, training):
    """Returns the names of the failing checks up to the colon."""
    return [c.what.split(":")[0] for c in expected.checks(start, training) if not c.held]


def test_all_claims_hold_for_the_twin_at_the_start_and_the_book_in_training(start, book):
    assert len([*expected.checks(start, book)]) == 1 + 4 + 21 + 3
    assert failed(start, book) == []
    assert findings(start, book)["numbers of the book within our middle 90%"] == "21 of 21"


@pytest.mark.parametrize(
    ("depth", "where", "factor", "failing"),
    [
        (4, np.s_[:, 1, -1], 1.2, "gradient norm of last / first, max"),
        (4, np.s_[:, 2, -1], 0.8, "gradient norm of last / first, min"),
        (4, np.s_[:, 3, -1], 0.8, "gradient norm of last / first, end"),
        (3, np.s_[1, 1, 1], 10, "every layer slower than the next"),
    ],
)
def test_the_claim_that_differs_in_training_fails(start, book, depth, where, factor, failing):
    book[depth][where] *= factor

    assert failed(start, book) == [f"{depth} hidden layers, {failing}"]


def test_the_claims_about_the_start_fail_for_other_norms_and_ratios(start, book):
    larger = {**start, 3: 3 * start[3]}
    closer = {depth: norms * 0.75 ** np.arange(depth) for depth, norms in start.items()}
    norms = [f"3 hidden layers, gradient norm of layer {i}, start" for i in (1, 2, 3)]

    assert failed(larger, book) == norms
    assert [check.held for check in expected.checks(closer, book)][:5] == [False] * 5


def test_the_figure_has_the_titles_of_the_book_and_a_shared_scale(book):
    figure = draw({depth: _numbers(norms[:, 0], norms) for depth, norms in book.items()}, "title")
    axes = figure.axes[:3]

    assert "Nielsen, Neural Networks and Deep Learning, chapter 5" in figure._suptitle.get_text()
    assert [a.get_title() for a in axes] == [f"Speed of learning: {d} hidden layers" for d in book]
    assert {(a.get_yscale(), a.get_ylim()) for a in axes} == {("log", axes[0].get_ylim())}


def test_the_small_form_measures_every_layer_and_states_which_digits_it_used(small):
    assert small["data"]["name"] == "5,000-digit subset of MNIST, first 20 training images"
    for depth in (2, 3, 4):
        numbers = small["numbers"][str(depth)]
        assert [len(norms) for norms in numbers["start_norms"].values()] == 3 * [depth]
        assert [len(ratios) for ratios in numbers["ratios"].values()] == 4 * [2]
        assert numbers["epochs"] == [0]

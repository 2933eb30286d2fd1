"""The numbers of Nielsen's book, and the checks that compare them with ours."""

import math

import numpy as np
from numpy.typing import NDArray

from experiments.common.outcome import Check, Checks
from vg_keras.theory import mean_field

Norms = NDArray[np.float64]
"""Gradient norms; the last dimension is the hidden layer."""

BOOK = "Nielsen (2015), chapter 5: fig/norms_during_training_{}_layers.json of the book's code"
NORMS = {
    2: [0.065741, 0.309218],
    3: [0.011838, 0.059965, 0.283142],
    4: [0.002975, 0.017077, 0.069539, 0.285139],
}
"""The norm of each hidden layer at the start, by the number of hidden layers."""
MOMENTS = ("start", "min", "max", "end")
RATIOS = {2: [4.70, 1.20, 5.06, 2.80], 3: [23.9, 14.7, 30.7, 14.7], 4: [95.8, 49.2, 137.8, 112.6]}
"""The ratio of the last hidden layer's norm to the first's, at these moments of training."""

TWIN = "400 draws in NumPy, tests/experiments/test_nielsen.py"
TWIN_DRAWS = 400
BANDS = {2: (3.9, 6.5), 3: (17.5, 34.7), 4: (81, 176)}
"""That ratio at the start: the 5th and the 95th percentile."""
NEIGHBOR_BAND = (0.154, 0.258)
"""The same of the ratio of a layer's norm to the next layer's."""

THEORY = mean_field("sigmoid", weight_variance=1.0, bias_variance=1.0).factor_per_layer


def last_to_first(norms: Norms) -> NDArray[np.float64]:
    """Returns the ratio of the last hidden layer's norm to the first's."""
    return norms[..., -1] / norms[..., 0]


def by_moment(training: Norms) -> dict[str, NDArray[np.float64]]:
    """Returns each network's ratio of last to first at each of `MOMENTS`."""
    ratio = last_to_first(training)
    found = ratio[:, 0], ratio.min(axis=1), ratio.max(axis=1), ratio[:, -1]
    return dict(zip(MOMENTS, found, strict=True))


def neighbors(start: dict[int, Norms]) -> NDArray[np.float64]:
    """Returns the ratios of each layer's norm to the next layer's, over all networks."""
    return np.concatenate([np.ravel(n[:, :-1] / n[:, 1:]) for n in start.values()])


def slower(training: Norms) -> NDArray[np.bool_]:
    """Returns, per network and epoch, whether every layer is slower than the next one."""
    return np.all(training[..., :-1] < training[..., 1:], axis=-1)


def checks(start: dict[int, Norms], training: dict[int, Norms]) -> Checks:
    """Compares networks at the start and during training with theory, the twin and the book."""
    what, ratios = "gradient norm of a hidden layer / that of the next, start", neighbors(start)
    source = "mean-field theory: sqrt(chi), by vg_keras.theory.mean_field"
    yield Check.near(f"{what}: median", source, THEORY, float(np.median(ratios)), form=".4f")
    bands = [(what, ratios, NEIGHBOR_BAND)]
    for depth, norms in start.items():
        what = f"{depth} hidden layers, gradient norm of last / first, start"
        bands.append((what, last_to_first(norms), BANDS[depth]))
    room = 100 * sampling_error(0.9, len(start[2]))
    for what, ratios, (low, high) in bands:
        what += f": % of our networks within {low:g} to {high:g}"
        ours = 100 * float(np.mean((low <= ratios) & (ratios <= high)))
        yield Check(what, TWIN, "90", ours, 90 - room, min(100.0, 90 + room), ".1f")
    yield from book_checks(start, training)
    for depth, norms in training.items():
        what = f"{depth} hidden layers, every layer slower than the next: % of all epochs"
        ours = 100 * float(np.mean(slower(norms)))
        yield Check(what, BOOK.format(depth), "100", ours, 100, form=".4g")


def book_checks(start: dict[int, Norms], training: dict[int, Norms]) -> Checks:
    """Checks for each number of the book that it is within the middle 90% of our networks."""
    for depth, norms in start.items():
        ours = {f"gradient norm of layer {i + 1}, start": norms[:, i] for i in range(depth)}
        at_moments = {**by_moment(training[depth]), "start": last_to_first(norms)}
        ours |= {f"gradient norm of last / first, {m}": r for m, r in at_moments.items()}
        book = [*NORMS[depth], *RATIOS[depth]]
        for (name, values), number in zip(ours.items(), book, strict=True):
            what = f"{depth} hidden layers, {name}: percentile of the book's {number} among ours"
            rank = 100 * float(np.mean(values <= number))
            yield Check(what, BOOK.format(depth), "5 to 95", rank, 5, 95, ".0f")


def sampling_error(fraction: float, networks: int) -> float:
    """Returns three standard errors of a fraction of our networks, relative to the twin's draws."""
    return 3 * math.sqrt(fraction * (1 - fraction) * (1 / networks + 1 / TWIN_DRAWS))

"""What the notebook prints, what it plots, and what its figure is expected to show."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.common.outcome import Check, Checks

SHORT = {"sigmoid": "SIGM", "relu": "ReLU"}
"""The notebook's names of the two networks."""
LAYERS = ("first", "second")
FULL_LENGTH = 50_000

NOTEBOOK = "printed by the CS224d notebook vanishing_grad_example"
LOSSES_AT = (0, 1000, 2000, 10_000, 20_000, 49_000)
LOSSES = {
    "sigmoid": [1.156405, 1.100737, 0.999698, 0.783201, 0.512831, 0.433092],
    "relu": [1.116188, 0.275047, 0.152297, 0.121833, 0.117932, 0.114522],
}
ACCURACY = {"sigmoid": 0.97, "relu": 0.99}

TWIN = "the notebook in float64, tests/experiments/test_cs224d.py"
SUMS_AT = (0, 100, 1000, 10_000, 49_999)
SUMS = {
    "sigmoid": {
        "first": [0.000625281, 0.000641034, 0.00124253, 0.00164814, 0.00187110],
        "second": [0.0329465, 0.00149246, 0.00257453, 0.00336301, 0.00403248],
    },
    "relu": {
        "first": [0.00456601, 0.00755016, 0.00520129, 0.00107921, 0.00100910],
        "second": [0.00832130, 0.0146312, 0.0116725, 0.00203562, 0.00191693],
    },
}
"""What the notebook plots: the sum of |gradient| of each layer / (rows + columns)."""
RATIO_AT_START = {"sigmoid": 52.7, "relu": 1.82}
MEDIAN_RATIO = {"sigmoid": 2.10, "relu": 1.91}

CLAIM = "ratio second / first, median over training: SIGM's divided by ReLU's"


def layer_ratio(result: dict[str, Any]) -> NDArray[np.float64]:
    """Returns the second layer's gradient divided by the first's, for each recorded iteration."""
    return np.array(result["second"]) / np.array(result["first"])


def checks(results: dict[str, Any], iterations: int) -> Checks:
    """Compares both networks with the notebook, as far as they were trained."""
    for name in SHORT:
        yield from _of_network(name, results[name], iterations)
    if iterations == FULL_LENGTH:
        sigmoid, relu = (np.median(layer_ratio(results[name])) for name in SHORT)
        source = "claim 6, as the figure is usually read: a factor that a reader would see"
        yield Check(CLAIM, source, "at least 2", float(sigmoid / relu), 2.0, form=".2f")


def _of_network(name: str, result: dict[str, Any], iterations: int) -> Checks:
    short, ratios = SHORT[name], layer_ratio(result)
    losses = dict(zip(result["losses_at"], result["losses"], strict=True))
    for at, loss in zip(LOSSES_AT, LOSSES[name], strict=True):
        if at in losses:
            what = f"{short}: loss at {at:,}"
            yield Check.near(what, NOTEBOOK, loss, losses[at], 1e-5 / loss, ".6f")
    for layer in LAYERS:
        sums = dict(zip(result["iterations"], result[layer], strict=True))
        for at, expected in zip(SUMS_AT, SUMS[name][layer], strict=True):
            # In float32 the ReLU network diverges from float64 after a few hundred steps.
            tolerance = 0.05 if name == "relu" and at > 100 else 1e-4
            if at in sums:
                what = f"{short}: gradient sum of the {layer} layer at {at:,}"
                yield Check.near(what, TWIN, expected, sums[at], tolerance, "#.6g")
    what = f"{short}: second / first at 0"
    yield Check.near(what, TWIN, RATIO_AT_START[name], ratios[0], 0.01, "#.3g")
    if iterations == FULL_LENGTH:
        what, accuracy = f"{short}: accuracy at the end", ACCURACY[name]
        yield Check.near(what, NOTEBOOK, accuracy, result["accuracy"], 0.005 / accuracy, ".3g")
        what, median = f"{short}: second / first, median over training", float(np.median(ratios))
        yield Check.near(what, TWIN, MEDIAN_RATIO[name], median, 0.05, "#.3g")

"""What the experiment on activation functions is expected to show."""

import numpy as np

from experiments.common.outcome import Check, Checks, Results, counted
from experiments.common.style import LABELS

THEORY = "mean-field theory: sqrt(chi), by vg_keras.theory.predict"


def checks(results: Results) -> Checks:
    """Compares spread and backpropagated signal with theory and with the claims."""
    for name, result in results.items():
        what = f"{LABELS[name]}: factor of the spread per layer"
        yield Check.near(what, THEORY, result["theory"], result["forward"])
    sigmoid, tanh, relu = (results[name] for name in ("sigmoid", "tanh", "relu"))
    what = "sigmoid: factor of the backpropagated signal per layer"
    yield Check.near(what, THEORY, sigmoid["theory"], sigmoid["backward"])
    differences = [100 * abs(r["backward"] / r["forward"] - 1) for r in results.values()]
    what = "largest difference between the factors forward and backward, %"
    source = "Schoenholz et al. 2017: the same chi in both directions"
    yield Check(what, source, "0", float(np.max(differences)), 0, 10, ".1f")
    for name in ("sigmoid", "tanh"):
        spread = np.median(results[name]["spread"], axis=0)[1:]
        number = counted(np.diff(spread) >= 0, spread)
        what = f"{name}: layers whose spread is not smaller than that of the hidden layer before"
        yield Check(what, "claim 3: layer after layer squashes", "0", number, 0, 0, ".0f")
    what = "spread that remains in the last layer, tanh relative to ReLU"
    ratio = tanh["remaining"] / relu["remaining"]
    yield Check(what, "claims 3 and 6", "less than 1", ratio, 0, 1)
    what = "ReLU: factor of the spread per layer, if it does not squash"
    yield Check.near(what, "claim 6, for any initializer", 1.0, relu["forward"])

"""What the experiment on depth is expected to show."""

import itertools
from typing import Any

from experiments.common.outcome import Check, counted
from experiments.common.style import LABELS

THEORY = "mean-field theory: sqrt(chi), by vg_keras.theory.predict"


def checks(depths: list[int], results: dict[str, dict[str, Any]]) -> list[Check]:
    """Compares the gradient of the first layer with the claim and with theory."""
    sigmoid = results["sigmoid"]["gradient"]
    found = []
    if len(depths) > 1:
        growing = [b >= a for a, b in itertools.pairwise(sigmoid)]
        what = "sigmoid: deeper networks in which the first layer's gradient is not smaller"
        number = counted(growing, sigmoid)
        found.append(Check(what, "claim 2: the deeper, the worse", "0", number, 0, 0, ".0f"))
    for name, result in results.items():
        what = f"{LABELS[name]}: factor of the first layer's gradient per additional layer"
        found.append(Check.near(what, THEORY, result["theory"], result["factor"]))
    return found

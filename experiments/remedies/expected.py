"""What the experiment on remedies is expected to show."""

import math

from experiments.common.outcome import Check, Checks, Results
from experiments.remedies.remedies import HE, REMEDIES, UNCHANGED
from vg_keras.theory import predict

TRAINS = 90.0
"""Test accuracy in percent from which a remedy counts as effective. The limit is ours."""


def checks(results: Results, depth: int, one_answer: float) -> Checks:
    """Compares the results with theory, and the accuracies with what each remedy promises.

    The unchanged network of `depth` hidden layers is to be as accurate as `one_answer` in percent.
    """
    for name, remedy in REMEDIES.items():
        what, accuracy = f"{name}: test accuracy, %", results[name]["accuracy"][-1]
        if name == UNCHANGED:
            tolerance = 0.005 / one_answer
            yield Check.near(what, remedy.source, one_answer, accuracy, tolerance, ".2f")
        else:
            yield Check(what, remedy.source, "it trains", accuracy, TRAINS, form=".2f")
    if depth > 1:
        what = f"{HE}: decades that the gradient of sigmoid still loses from layer to layer"
        source = "mean-field theory: (1 - depth) log10 sqrt(chi), by vg_keras.theory.predict"
        lost = (1 - depth) * math.log10(predict("sigmoid", "he_normal").factor_per_layer)
        yield Check.near(what, source, lost, results[HE]["decades_lost"], form=".2f")

"""What the experiment on remedies is expected to show."""

import math
from typing import Any

from experiments.common.outcome import Check
from vg_keras.theory import predict

UNCHANGED, HE = "sigmoid, unchanged", "He initialization"
TRAINS = 90.0
"""Test accuracy in percent from which a remedy counts as effective. The limit is ours."""

SOURCES = {
    "ReLU": "Glorot, Bordes and Bengio 2011, Deep sparse rectifier neural networks",
    "tanh": "LeCun, Bottou, Orr and Müller 1998, Efficient BackProp, section 4.4",
    HE: "He et al. 2015, Delving deep into rectifiers (derived for ReLU)",
    "batch normalization": "Ioffe and Szegedy 2015, Batch normalization",
    "residual connections": "He et al. 2016, Deep residual learning for image recognition",
    "Adam": "Kingma and Ba 2015, Adam: a method for stochastic optimization",
    "layer-wise learning rates": "Singh et al. 2015, Layer-specific adaptive learning rates for "
    "deep networks (our rule for the rates differs)",
}
"""The publication that proposes each remedy."""


def checks(results: dict[str, dict[str, Any]], depth: int, one_answer: float) -> list[Check]:
    """Compares the results with theory, and the accuracies with what each remedy promises.

    The unchanged network of `depth` hidden layers is to be as accurate as `one_answer` in percent.
    """
    final = {name: result["accuracy"][-1] for name, result in results.items()}
    what, source = f"{UNCHANGED}: test accuracy, %", "claim 5: the same answer for every image"
    found = [Check.near(what, source, one_answer, final[UNCHANGED], 0.005 / one_answer, ".2f")]
    for name, source in SOURCES.items():
        what = f"{name}: test accuracy, %"
        found.append(Check(what, source, "it trains", final[name], TRAINS, form=".2f"))
    if depth > 1:
        what = f"{HE}: decades that the gradient of sigmoid still loses from layer to layer"
        source = "mean-field theory: (1 - depth) log10 sqrt(chi), by vg_keras.theory.predict"
        lost = (1 - depth) * math.log10(predict("sigmoid", "he_normal").factor_per_layer)
        found.append(Check.near(what, source, lost, results[HE]["decades_lost"], form=".2f"))
    return found

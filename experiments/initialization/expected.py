"""What the experiment on initialization is expected to show."""

import numpy as np

from experiments.common.mlp import Initializer, initializer
from experiments.common.outcome import Check, Checks, Results
from experiments.common.style import LABELS
from vg_keras.theory import mean_field, predict

NAMED: dict[str, Initializer] = {
    "zeros": "zeros",
    "constant 0.05": initializer("Constant", value=0.05),
    "orthogonal": "orthogonal",
    "Glorot uniform": "glorot_uniform",
    "He normal": "he_normal",
    "N(0, 0.2²)": initializer("RandomNormal", stddev=0.2),
}
THEORY = "mean-field theory: sqrt(chi), by vg_keras.theory"
HE = "He et al. 2015, Delving deep into rectifiers, section 2.2, backward propagation; "
SYMMETRY = "Goodfellow, Bengio and Courville 2016, Deep learning, section 8.4: breaking symmetry"


def checks(variances: list[float], results: Results, size: tuple[int, int]) -> Checks:
    """Compares results of networks of a depth and a width with the claims and with theory."""
    if size == (8, 128):
        what = "ReLU, N(0, 0.2²): training ends in NaN (1 means yes)"
        source = "claim 7: initialization can make gradients explode"
        ours = float(results["relu"]["N(0, 0.2²)"]["state"] == "NaN")
        yield Check(what, source, "NaN", ours, 1, 1)
    what = "zeros: largest signal at the first layer with any of the three activations"
    ours = float(np.max([of["zeros"]["signal"][0] for of in results.values()]))
    yield Check(what, f"{THEORY}.mean_field for weights of variance 0", "0", ours, 0, 0)
    what = "constant 0.05: activations, of three, with which all units get the same gradient"
    ours = sum(of["constant 0.05"]["all_units_alike"] for of in results.values())
    yield Check(what, SYMMETRY, "3", ours, 3, 3)
    for activation, of in results.items():
        label, source = LABELS[activation], (HE if activation == "relu" else "") + THEORY
        for name in ("orthogonal", "Glorot uniform", "He normal"):
            what = f"{label}, {name}: factor of the backpropagated signal per layer"
            theory = predict(activation, NAMED[name]).factor_per_layer
            yield Check.near(what, f"{source}.predict", theory, of[name]["factor"])
        what = f"{label}, all variances: largest deviation of this factor from theory, %"
        ratios = [of[v]["factor"] / mean_field(activation, v).factor_per_layer for v in variances]
        worst = 100 * float(np.max(np.abs(np.array(ratios) - 1)))
        yield Check(what, f"{source}.mean_field", "0", worst, 0, 10, ".1f")

"""What the paper and theory say about the signal and the weight gradients.

References:
    X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural
    networks, AISTATS 2010: equations 13 and 14, and the singular values in section 4.2.2.
"""

import math

import numpy as np

from experiments.common.factors import factor_per_layer, predicted_signal
from experiments.common.outcome import Check, Checks, Results
from vg_keras.theory import mean_field_path

VARIANCES = {"standard": 1 / 3, "normalized": 1.0}
"""The variance of a weight times the number of inputs, which the paper calls n Var[W]."""

SINGULAR_VALUES = {"standard": 0.5, "normalized": 0.8}
"""The paper's mean singular value of a layer's Jacobian."""

THEORY = "mean-field theory: vg_keras.theory.mean_field_path"
PAPER = "Glorot and Bengio 2010"
EQ_13, EQ_14 = f"{PAPER}, eq. 13: sqrt(n Var[W])", f"{PAPER}, eq. 14"
MEANS = f"{PAPER}, section 4.2.2"
SVD = "numpy.linalg.svd in experiments/glorot/experiment.py: the largest deviation of any layer"


def theory(variance: float, depth: int) -> dict[str, list[float]]:
    """Returns mean-field predictions for inputs of variance 1, relative to the last hidden layer.

    The signal at the output of a layer is the next layer's signal times the next layer's sqrt(chi),
    which is called factor. The gradient of a kernel is the gradient by the pre-activations,
    sqrt(chi/variance) times the signal, times the outputs of the previous layer, sqrt(q/variance).
    """
    q, chi = mean_field_path("tanh", variance, q=variance, depth=depth)
    signal = predicted_signal(chi)
    weights = signal * np.sqrt(chi * q)
    return {
        "theory_signal": signal.tolist(),
        "theory_weight_gradients": (weights / weights[-1]).tolist(),
        "theory_factors": np.sqrt(chi[1:]).tolist(),
    }


def checks(results: Results, depth: int, width: int) -> Checks:
    """Compares factors and singular values with the paper, with theory and with each other."""
    room = 0.02 if (depth, width) == (10, 512) else 0.05
    for kind, one in results.items():
        signal, weights, mean = one["signal_factor"], one["weight_factor"], one["singular_value"]
        linear, published = math.sqrt(VARIANCES[kind]), SINGULAR_VALUES[kind]
        signal_here = factor_per_layer(one["theory_signal"])
        weights_here = factor_per_layer(one["theory_weight_gradients"])
        ratios = np.mean(one["rms_singular_value"], axis=0) / np.mean(one["factors"], axis=0)
        worst = ratios[np.argmax(np.abs(np.log(ratios)))]
        for what, source, expected, ours, tolerance in (
            ("signal: factor per layer, linear units", EQ_13, linear, signal, 0.05),
            ("signal: factor per layer, this depth", THEORY, signal_here, signal, room),
            ("weight gradients: factor per layer, flat", EQ_14, 1.0, weights, 0.05),
            ("weight gradients: factor per layer, this depth", THEORY, weights_here, weights, room),
            ("mean singular value of a layer's Jacobian", MEANS, published, mean, 0.1),
            ("RMS singular value, relative to the layer's recorded factor", SVD, 1.0, worst, 0.05),
        ):
            yield Check.near(f"{kind}, {what}", source, expected, ours, tolerance)

"""What the experiment on depth is expected to show."""

import itertools

import numpy as np

from experiments.common.mlp import Settings
from experiments.common.outcome import Check, Checks, Results, counted
from experiments.common.style import LABELS
from vg_keras.theory import mean_field_path, predict

THEORY = "mean-field theory at these depths, by vg_keras.theory.mean_field_path"

TOLERANCE = {"sigmoid": 0.025, "tanh": 0.02, "relu": 0.035}
"""Relative tolerance of the factor per layer. Over 60 draws of the networks in NumPy (see
tests/experiments/test_depth.py), it is three standard deviations (0.0059, 0.0135, 0.0154) and the
distance of the mean from theory (0.0001, 0.0026, 0.0082), which is exact for infinite width."""


def theory(
    activation: str, settings: Settings, depths: list[int], inputs: int, mean_square: float
) -> list[float]:
    """Returns theory's gradient of the first layer at each depth, relative to the first depth.

    With tanh the factor per layer approaches 1 only over hundreds of layers, so it is multiplied up
    layer by layer. `mean_square` is that of the inputs.
    """
    first, hidden = (
        predict(activation, settings.initializer, fan_in=fan_in, fan_out=settings.width)
        for fan_in in (inputs, settings.width)
    )
    q = first.weight_variance * mean_square
    _, chi = mean_field_path(activation, hidden.weight_variance, q=q, depth=max(depths))
    gradients = np.sqrt(np.cumprod(chi))[np.array(depths) - 1]
    return (gradients / gradients[0]).tolist()


def checks(depths: list[int], results: Results) -> Checks:
    """Compares the gradient of the first layer with the claim and with theory."""
    sigmoid = results["sigmoid"]["gradient"]
    if len(depths) > 1:
        growing = [b >= a for a, b in itertools.pairwise(sigmoid)]
        what = "sigmoid: deeper networks in which the first layer's gradient is not smaller"
        number = counted(growing, sigmoid)
        yield Check(what, "claim 2: the deeper, the worse", "0", number, 0, 0, ".0f")
    for name, result in results.items():
        what = f"{LABELS[name]}: factor of the first layer's gradient per additional layer"
        expected, ours = result["theory_factor"], result["factor"]
        yield Check.near(what, THEORY, expected, ours, TOLERANCE[name])

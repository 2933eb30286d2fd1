"""What theory says about pairs of activation and initializer, computed without vg_keras.theory.

References:
    B. Poole et al., Exponential expressivity in deep neural networks through transient chaos,
    NeurIPS 2016: equation 3, whose fixed point is q*, and the definition of chi_1 after it.
    S. Schoenholz et al., Deep Information Propagation, ICLR 2017: chi_1 is also the factor by which
    the mean square of the backpropagated signal changes per layer.
"""

import math

import numpy as np

from experiments.common.outcome import Check, Checks, Results

VARIANCES = {
    "sigmoid, Glorot": ("sigmoid", 1.0, 0.0),
    "sigmoid, Nielsen": ("sigmoid", 1.0, 1.0),
    "sigmoid, He": ("sigmoid", 2.0, 0.0),
    "tanh, standard": ("tanh", 1 / 3, 0.0),
    "tanh, (1.76, 0.05)": ("tanh", 1.76, 0.05),
    "ReLU, Glorot": ("relu", 1.0, 0.0),
    "ReLU, He": ("relu", 2.0, 0.0),
}
"""Activation, variance of a weight times the number of inputs, and variance of a bias."""

AT_FIXED_POINT = "mean-field theory: sqrt(chi), by vg_keras.theory.predict"
BY_LAYER = "mean-field theory: vg_keras.theory.mean_field_path"
COMPUTED = "computed in experiments/mean_field/expected.py"
DIGITS = {
    "q": ("q*", 6, f"Poole et al. 2016, eq. 3, {COMPUTED}"),
    "chi": ("chi", 6, f"Poole et al. 2016, chi_1, {COMPUTED}"),
    "sqrt_chi": ("sqrt(chi)", 4, f"Schoenholz et al. 2017, sqrt(chi_1), {COMPUTED}"),
}
"""Symbol, decimal places and source of what `solve` returns."""


def solve(activation: str, weight_variance: float, bias_variance: float) -> dict[str, float]:
    """Returns q*, chi and sqrt(chi) by plain numerical integration; for ReLU without q*."""
    if activation == "relu":  # the slope is 1 for half of all inputs, whatever their variance
        return {"chi": weight_variance / 2, "sqrt_chi": math.sqrt(weight_variance / 2)}
    z = np.linspace(-12, 12, 2001)
    density = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    q = 1.0
    for _ in range(200):  # q converges within 100
        x = math.sqrt(q) * z
        y = np.tanh(x) if activation == "tanh" else 1 / (1 + np.exp(-x))
        slope = 1 - y**2 if activation == "tanh" else y * (1 - y)
        q = float(weight_variance * density @ y**2 + bias_variance)
    chi = float(weight_variance * density @ slope**2)
    return {"q": q, "chi": chi, "sqrt_chi": math.sqrt(chi)}


def worst(results: Results, ours: str, theory: str) -> float:
    """Returns the ratio of ours to theory's that is farthest from 1, over all pairs."""
    ratios = np.array([one[ours] / one[theory] for one in results.values()])
    return float(ratios[np.argmax(np.abs(np.log(ratios)))])  # NaN is the worst


def checks(results: Results) -> Checks:
    """Compares the measured factors with theory, and theory with an independent computation."""
    what = "factor per layer with inputs of variance 1, relative to theory: worst pair"
    yield Check.near(what, BY_LAYER, 1.0, worst(results, "factor", "theory_factor"), 0.05)
    for name, one in results.items():
        what = f"{name}: factor per layer at the fixed point"
        yield Check.near(what, AT_FIXED_POINT, one["sqrt_chi"], one["fixed_factor"], 0.05)
    for name, layers in VARIANCES.items():
        one, what = results[name], f"{name}: factor per layer with inputs of variance 1"
        yield Check.near(what, BY_LAYER, one["theory_factor"], one["factor"], 0.05)
        for key, value in solve(*layers).items():
            symbol, places, source = DIGITS[key]
            unit, form, what = 10**-places, f".{places}f", f"{name}: {symbol} in theory"
            band = value - unit, value + unit
            yield Check(what, source, format(value, form), one[key], *band, form)
    sigmoid = [one for one in results.values() if one["activation"] == "sigmoid"]
    bounds = [one["fixed_factor"] / math.sqrt(one["weight_variance"] / 16) for one in sigmoid]
    what = "sigmoid: largest factor per layer, relative to sqrt(sw2/16)"
    source = "the slope of sigmoid is at most 1/4"
    yield Check(what, source, "at most 1", float(np.max(bounds)), high=1.0)

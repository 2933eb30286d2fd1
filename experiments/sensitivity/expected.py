"""What the experiment on sensitivity is expected to show."""

import numpy as np

from experiments.common.outcome import Check, Checks, Results, counted
from experiments.common.style import LABELS

BEFORE, AFTER = "at initialization", "after training"
THEORY = "mean-field theory: sqrt(chi) if 0 < q* < inf, else 1; vg_keras.theory.predict"
CLAIM = "claim 4: early layers hardly change the output"
FIRST_OVER_LAST = (
    ("tanh", "as claim 6 for ReLU: effects of one magnitude", "about 1", 1 / 3, 3.0, ".2f"),
    ("relu", "claim 6: effects of one magnitude", "about 1", 1 / 3, 3.0, ".2f"),
    ("sigmoid", CLAIM, "small", 0.0, 0.01, ".1e"),
)
"""Activation, source, expected effect of the first relative to the last hidden layer, and band."""


def checks(results: Results) -> Checks:
    """Compares the effect of each layer on the output with theory and with the claims."""
    for name, r in results.items():
        what = f"{LABELS[name]}: factor per layer of the effect of a perturbation on the output"
        yield Check.near(what, THEORY, r["theory"], r["factor"])
    effects = np.median(results["sigmoid"][BEFORE]["over_rms"], axis=0)
    number = counted(np.diff(effects) < 0, effects)
    what = "sigmoid: layers with less effect on the output than the layer before"
    yield Check(what, CLAIM, "0", number, 0, 0, ".0f")
    for when in (BEFORE, AFTER):
        for name, source, expected, low, high, form in FIRST_OVER_LAST:
            effects = np.median(results[name][when]["over_rms"], axis=0)
            ratio = float(effects[0] / effects[-2])
            what = f"{LABELS[name]} {when}: effect of the first relative to the last hidden layer"
            yield Check(what, source, expected, ratio, low, high, form)
        sigmoid, relu = (np.median(results[n][when]["over_std"], 0)[0] for n in ("sigmoid", "relu"))
        what = f"{when}, sigmoid relative to ReLU: effect of the first layer"
        what += ", in standard deviations of the output over images"
        yield Check(what, CLAIM, "less than 1", float(sigmoid / relu), 0, 1, ".2f")

"""How sure a fraction is that was counted on a few runs."""

import math

_Z = 1.959964
"""Standard deviations of a 95% interval."""


def wilson(successes: int, number: int) -> tuple[float, float]:
    """Returns the 95% confidence interval of a fraction; (0, 1) if nothing was counted.

    References:
        E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, Journal
        of the American Statistical Association, 1927.
    """
    if not number:
        return 0.0, 1.0
    center = (successes + _Z**2 / 2) / (number + _Z**2)
    spread = math.sqrt(successes * (number - successes) / number + _Z**2 / 4)
    half = _Z / (number + _Z**2) * spread
    return max(0.0, center - half), min(1.0, center + half)

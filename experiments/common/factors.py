"""By which factor a quantity changes from layer to layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def factor_per_layer(values: Sequence[float]) -> float:
    """Returns by which factor a layer changes what runs back from the last value to the first.

    That is the geometric mean of the ratio of each value to the one after it; NaN for fewer than
    two values, or where one of the ends is zero or not finite.
    """
    if len(values) < 2 or not (0 < values[0] < math.inf and 0 < values[-1] < math.inf):
        return math.nan
    return float((values[0] / values[-1]) ** (1 / (len(values) - 1)))


def fitted_factor(depths: Sequence[int], values: Sequence[float]) -> float:
    """Returns by which factor one layer more changes a quantity.

    That is the slope of a straight line through the logarithms. Values that are zero or not finite
    are left out; NaN where fewer than two are left.
    """
    points = [(d, math.log(v)) for d, v in zip(depths, values, strict=True) if 0 < v < math.inf]
    if len(points) < 2:
        return math.nan
    x, y = np.array(points).T
    return math.exp(np.polyfit(x, y, 1)[0])

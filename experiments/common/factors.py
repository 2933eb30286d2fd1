"""The factor by which a quantity changes from layer to layer."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def factor_per_layer(values: Sequence[float]) -> float:
    """Returns the factor per layer by which a backpropagated quantity changes.

    This is the geometric mean of the ratio of each value to the next one; NaN for fewer than two
    values, or if the first or last value is zero or not finite.
    """
    if len(values) < 2 or not (0 < values[0] < math.inf and 0 < values[-1] < math.inf):
        return math.nan
    return float((values[0] / values[-1]) ** (1 / (len(values) - 1)))


def mean_factor(networks: Sequence[Sequence[float]]) -> float:
    """Returns the mean over several networks of the factor per layer."""
    return float(np.mean([factor_per_layer(values) for values in networks]))


def fitted_factor(depths: Sequence[int], values: Sequence[float]) -> float:
    """Returns the factor by which each additional layer changes a quantity.

    This is the slope of a straight line fitted to the logarithms. Values that are zero or not
    finite are left out; NaN if fewer than two remain.
    """
    points = [(d, math.log(v)) for d, v in zip(depths, values, strict=True) if 0 < v < math.inf]
    if len(points) < 2:
        return math.nan
    x, y = np.array(points).T
    return math.exp(np.polyfit(x, y, 1)[0])


def predicted_signal(chi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns each layer's signal relative to the last layer's, from chi of `mean_field_path`."""
    return np.sqrt(np.append(np.cumprod(chi[:0:-1])[::-1], 1.0))

"""Turns a sketch into the bars of a histogram: TensorBoard's rows of left edge, right edge, count.

NumPy alone. Empty buckets are left out, the outer edges are the smallest and the largest value, and
no bar crosses zero.
"""

import numpy as np
from numpy.typing import NDArray

from vg_keras.statistics import buckets
from vg_keras.statistics.sketch import Sketch

NUM_COLUMNS = 3


def histogram(sketch: Sketch) -> NDArray[np.float64]:
    """Returns the histogram of the finite elements.

    Zeros are a bar of no width at zero.

    Returns:
        float64 `[k, 3]`: left edge, right edge, count; ascending.
    """
    return _rows(*sketch.intervals())


def log10_histogram(sketch: Sketch) -> NDArray[np.float64]:
    """Returns the histogram of log10 of the magnitudes of the finite elements that are not zero.

    The upper edge is exact. The lower edge is exact where all elements have one sign; elsewhere it
    is that of the lowest bucket, at most 0.1 too low for a normal float32, 0.3 for a subnormal
    one, and log10 of 2**-149 for all that is smaller than 2**-128.

    Returns:
        float64 `[k, 3]`: left edge, right edge, count; ascending.
    """
    counts = sketch.counts.reshape(2, -1).sum(axis=0)  # both signs together
    counts[buckets.ZERO] -= sketch.zeros
    index = np.flatnonzero(counts[: buckets.NONFINITE])
    if not len(index):
        return np.zeros([0, NUM_COLUMNS])
    edges = np.stack([buckets.MAGNITUDE_EDGES[index], buckets.MAGNITUDE_EDGES[index + 1]], axis=1)
    edges[0, 0] = max(edges[0, 0], sketch.smallest, -sketch.largest)
    edges[-1, 1] = sketch.largest_magnitude
    # log10 of 0 is no number: let the lowest bucket start at the smallest float32 there is.
    edges[0, 0] = max(edges[0, 0], min(2.0**-149, edges[0, 1]))
    return _rows(np.log10(edges), counts[index])


def _rows(edges: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.concatenate([edges, counts[:, np.newaxis].astype(np.float64)], axis=1)

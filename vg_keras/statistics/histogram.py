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
    is that of the lowest bucket, at most 0.1 too low.

    Returns:
        float64 `[k, 3]`: left edge, right edge, count; ascending.
    """
    edges, counts = sketch.intervals()
    # Reversed where negative, so that the edge nearest zero is the left one.
    magnitudes = np.sort(np.abs(edges), axis=1)
    nonzero = magnitudes[:, 1] > 0
    magnitudes, counts = magnitudes[nonzero], counts[nonzero]
    if not len(counts):
        return np.zeros([0, NUM_COLUMNS])
    # log10 of 0 is no number: let the lowest bucket start at the smallest float32 there is.
    magnitudes[:, 0] = np.clip(magnitudes[:, 0], np.minimum(2.0**-149, magnitudes[:, 1]), None)
    # The two signs share buckets, but for the outermost one of each, whose outer edge was moved to
    # the extreme value. Give every bucket the wider of its two versions.
    lower, which = np.unique(_floor_edge(magnitudes), return_inverse=True)
    left = np.full(len(lower), np.inf)
    right = np.zeros(len(lower))
    total = np.zeros(len(lower), np.int64)
    np.minimum.at(left, which, magnitudes[:, 0])
    np.maximum.at(right, which, magnitudes[:, 1])
    np.add.at(total, which, counts)
    return _rows(np.log10(np.stack([left, right], axis=1)), total)


def _floor_edge(magnitudes: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.searchsorted(buckets.magnitude_edges(), magnitudes[:, 0], side="right")


def _rows(edges: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.concatenate([edges, counts[:, np.newaxis].astype(np.float64)], axis=1)

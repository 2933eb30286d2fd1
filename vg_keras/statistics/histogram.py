"""Turns sketches into the bars of histograms: TensorBoard's rows of left edge, right edge, count.

NumPy alone. Empty buckets are left out, the outer edges are the smallest and the largest value, and
no bar crosses zero. Each function takes many sketches, because a record has dozens of them and
NumPy takes as long for one as for all.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vg_keras.statistics import buckets
from vg_keras.statistics.sketch import Sketch, flattened, intervals_of


def histograms(sketches: Sequence[Sketch]) -> list[NDArray[np.float64]]:
    """Returns the histograms of the finite elements.

    Zeros are a bar of no width at zero.

    Returns:
        For each sketch float64 `[k, 3]`: left edge, right edge, count; ascending.
    """
    return _rows(*intervals_of(sketches)) if sketches else []


def log10_histograms(sketches: Sequence[Sketch]) -> list[NDArray[np.float64]]:
    """Returns the histograms of log10 of the magnitudes of the finite elements other than zero.

    The upper edge is exact. The lower edge is exact where all elements have one sign; elsewhere it
    is that of the lowest bucket, at most 0.1 too low for a normal float32, 0.3 for a subnormal
    one, and log10 of 2**-149 for all that is smaller than 2**-128.

    Returns:
        For each sketch float64 `[k, 3]`: left edge, right edge, count; ascending.
    """
    if not sketches:
        return []
    owner, index, counts = _of_either_sign(sketches)
    lengths = np.bincount(owner, minlength=len(sketches))
    present = np.flatnonzero(lengths)
    last = (np.cumsum(lengths) - 1)[present]
    first = last - lengths[present] + 1
    edges = np.stack([buckets.MAGNITUDE_EDGES[index], buckets.MAGNITUDE_EDGES[index + 1]], axis=1)
    of_one_sign = np.array(
        [max(sketches[i].smallest, -sketches[i].largest) for i in present.tolist()]
    )
    edges[first, 0] = np.maximum(edges[first, 0], of_one_sign)
    edges[last, 1] = [sketches[i].largest_magnitude for i in present.tolist()]
    # log10 of 0 is no number: let the lowest bucket start at the smallest float32 there is.
    edges[first, 0] = np.maximum(edges[first, 0], np.minimum(2.0**-149, edges[first, 1]))
    return _rows(np.log10(edges), counts, lengths)


def _of_either_sign(
    sketches: Sequence[Sketch],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns sketch, bucket of the magnitude and count of what is finite and not zero."""
    owner, occupied, counts = flattened(sketches)
    place = owner * buckets.NEGATIVE + occupied % buckets.NEGATIVE
    table = np.zeros([len(sketches), buckets.NEGATIVE], np.int64)
    np.add.at(table.reshape(-1), place, counts)
    table[:, buckets.ZERO] -= [sketch.zeros for sketch in sketches]
    owner, index = np.nonzero(table[:, : buckets.NONFINITE])
    return owner, index, table[owner, index]


def _rows(
    edges: NDArray[np.float64], counts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> list[NDArray[np.float64]]:
    rows = np.concatenate([edges, counts[:, np.newaxis].astype(np.float64)], axis=1)
    return np.split(rows, np.cumsum(lengths)[:-1])

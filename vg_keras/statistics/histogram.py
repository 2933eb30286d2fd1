"""Turns sketches into the bars of histograms: TensorBoard's rows of left edge, right edge, count.

NumPy alone. Empty buckets are left out, the outer edges are the smallest and the largest value, and
no bar crosses zero. Each function takes many sketches, because a record has dozens of them and
NumPy takes as long for one as for all.

TensorBoard draws a histogram in 30 bars of equal width. What would fall into one of these is one
bar here; a sketch has finer buckets, most of them near zero.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vg_keras.statistics import buckets
from vg_keras.statistics.sketch import Sketch, flattened, intervals_of

MAX_BARS = 30
"""The most bars on either axis; zero has one more, where it parts negative numbers from positive
ones, and so may a bar there be parted in two."""


def histograms(sketches: Sequence[Sketch]) -> list[NDArray[np.float64]]:
    """Returns the histograms of the finite elements.

    Zeros are a bar of no width at zero.

    Returns:
        For each sketch float64 `[k, 3]`: left edge, right edge, count; ascending, `k` at most 32.
    """
    return _rows(*intervals_of(sketches)) if sketches else []


def log10_histograms(sketches: Sequence[Sketch]) -> list[NDArray[np.float64]]:
    """Returns the histograms of log10 of the magnitudes of the finite elements other than zero.

    The upper edge is exact. The lower edge is exact where all elements have one sign; elsewhere it
    is that of the lowest bucket, at most 0.1 too low for a normal float32, 0.3 for a subnormal
    one, and log10 of 2**-149 for all that is smaller than 2**-128.

    Returns:
        For each sketch float64 `[k, 3]`: left edge, right edge, count; ascending, `k` at most 30.
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
    if not len(counts):
        return [np.zeros([0, 3])] * len(lengths)
    begins = _begins_bar(edges, lengths)
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(counts)) - 1
    sums = np.add.reduceat(counts, starts).astype(np.float64)
    rows = np.stack([edges[starts, 0], edges[ends, 1], sums], axis=1)
    num_before = np.append(0, np.cumsum(begins))[np.cumsum(lengths)[:-1]]
    return np.split(rows, num_before)


def _begins_bar(edges: NDArray[np.float64], lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Returns for each interval whether it begins a bar, bool `[k]`; else it joins the one before.

    Intervals of one sketch, side of zero and thirtieth of the whole width are one bar.
    """
    owner = np.repeat(np.arange(len(lengths)), lengths)
    last = (np.cumsum(lengths) - 1)[owner]
    low, high = edges[last - lengths[owner] + 1, 0], edges[last, 1]
    with np.errstate(invalid="ignore", divide="ignore"):  # halves, because a width may overflow
        place = (edges[:, 0] / 4 + edges[:, 1] / 4 - low / 2) / (high / 2 - low / 2)
    place = np.clip(np.nan_to_num(place), 0, 1 - 1e-9)
    part = np.where(
        lengths[owner] > MAX_BARS,
        np.floor(place * MAX_BARS).astype(np.int64),
        np.arange(len(edges)),
    )
    side = np.sign(edges[:, 0] / 2 + edges[:, 1] / 2)
    keys = np.stack([owner, part, side])
    return np.append(True, (keys[:, 1:] != keys[:, :-1]).any(axis=0))

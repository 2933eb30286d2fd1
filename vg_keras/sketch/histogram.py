"""Turns sketches into the bars of histograms: TensorBoard's rows of left edge, right edge, count.

NumPy alone. Empty buckets are left out, the outer edges are the smallest and the largest value, and
no bar crosses zero. Each function takes many sketches, because a record has dozens of them and
NumPy takes as long for one as for all.

TensorBoard draws a histogram in 30 bars of equal width, whatever it is given, and a sketch has
finer buckets, most of them near zero. So what falls into one bar of nearly that width is one bar
here, and so are neighbors that would hardly be seen.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vg_keras.sketch import buckets
from vg_keras.sketch.sketch import Sketch, flattened, intervals_of

MAX_BARS = 25
"""The most bars on either axis, besides those that zero adds: it has a bar of its own, and parts
another in two."""

_FAINT, _INVISIBLE = 0.02, 0.002
"""Bars that hold less than these shares of the fullest one are drawn as next to nothing."""


_IS_SEEN = 2


def histograms(sketches: Sequence[Sketch]) -> list[NDArray[np.float64]]:
    """Returns the histograms of the finite elements.

    Zeros are a bar of no width at zero.

    Returns:
        For each sketch float64 `[k, 3]`: left edge, right edge, count; ascending, `k` at most 27.
    """
    return _rows(*intervals_of(sketches)) if sketches else []


def log10_histograms(sketches: Sequence[Sketch]) -> list[NDArray[np.float64]]:
    """Returns the histograms of log10 of the magnitudes of the finite elements other than zero.

    The upper edge is exact. The lower edge is exact where all elements have one sign; elsewhere it
    is that of the lowest bucket, at most 0.1 too low for a normal float32, 0.3 for a subnormal
    one, and log10 of 2**-149 for all that is smaller than 2**-128.

    Returns:
        For each sketch float64 `[k, 3]`: left edge, right edge, count; ascending, `k` at most 25.
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
    """Joins the intervals of each sketch to as few bars as show the same."""
    for begins_bar in (_begins_another_part, _begins_a_bar_that_is_seen):
        if not len(counts):
            return [np.zeros([0, 3])] * len(lengths)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        begins = begins_bar(edges, counts, owner, lengths)
        begins |= np.append(True, owner[1:] != owner[:-1])
        starts = np.flatnonzero(begins)
        ends = np.append(starts[1:], len(counts)) - 1
        edges = np.stack([edges[starts, 0], edges[ends, 1]], axis=1)
        counts = np.add.reduceat(counts, starts)
        lengths = np.bincount(owner[starts], minlength=len(lengths))
    rows = np.concatenate([edges, counts[:, np.newaxis].astype(np.float64)], axis=1)
    return np.split(rows, np.cumsum(lengths)[:-1])


def _begins_another_part(
    edges: NDArray[np.float64],
    counts: NDArray[np.int64],
    owner: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Returns whether an interval lies in another part of the whole width than the one before.

    Where there are few intervals, each does.
    """
    last = (np.cumsum(lengths) - 1)[owner]
    low, high = edges[last - lengths[owner] + 1, 0], edges[last, 1]
    with np.errstate(invalid="ignore", divide="ignore"):  # halves, because a width may overflow
        place = (edges[:, 0] / 4 + edges[:, 1] / 4 - low / 2) / (high / 2 - low / 2)
    place = np.clip(np.nan_to_num(place), 0, 1 - 1e-9)
    part = np.floor(place * MAX_BARS)
    is_another = np.append(True, part[1:] != part[:-1])
    return is_another | (lengths[owner] <= MAX_BARS) | _begins_side(edges)


def _begins_a_bar_that_is_seen(
    edges: NDArray[np.float64],
    counts: NDArray[np.int64],
    owner: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Returns whether a bar holds enough to be seen, or more or less than the one before it."""
    fullest = np.zeros(len(lengths), np.int64)
    np.maximum.at(fullest, owner, counts)
    visibility = np.searchsorted([_INVISIBLE, _FAINT], counts / fullest[owner], side="right")
    is_another = np.append(True, visibility[1:] != visibility[:-1])
    return (visibility == _IS_SEEN) | is_another | _begins_side(edges)


def _begins_side(edges: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns whether an interval lies on another side of zero than the one before."""
    side = np.sign(edges[:, 0] / 2 + edges[:, 1] / 2)
    return np.append(True, side[1:] != side[:-1])

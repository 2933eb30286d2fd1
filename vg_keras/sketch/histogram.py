"""Turns sketches into the bars of histograms: TensorBoard's rows of left edge, right edge, count.

NumPy alone. Empty buckets are left out, the outer edges are the smallest and the largest value, and
no bar crosses zero. Each function takes many sketches, because a record has dozens of them and
NumPy takes as long for one as for all.

TensorBoard draws a histogram in 30 bars of equal width, whatever it is given, and a sketch has
finer buckets, most of them near zero. So what falls into one bar of nearly that width is one bar
here, and so are neighbors that would hardly be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vg_keras.sketch import buckets
from vg_keras.sketch.sketch import Sketch, flattened, intervals_of

MAX_BARS = 25
"""The most bars on either axis, besides those that zero adds: it has a bar of its own, and parts
another in two."""

_FAINT, _INVISIBLE = 0.02, 0.002
"""Bars that hold less than these shares of the fullest one are drawn as next to nothing."""


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
    of_one_sign = np.array([max(sketches[i].min, -sketches[i].max) for i in present.tolist()])
    edges[first, 0] = np.maximum(edges[first, 0], of_one_sign)
    edges[last, 1] = [sketches[i].max_abs for i in present.tolist()]
    # log10 of 0 is no number: let the lowest bucket start at the smallest float32 there is.
    edges[first, 0] = np.maximum(edges[first, 0], np.minimum(2.0**-149, edges[first, 1]))
    return _rows(np.log10(edges), counts, lengths)


def _of_either_sign(
    sketches: Sequence[Sketch],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns sketch, bucket of the magnitude and count of what is finite and not zero."""
    owner, nonzero_buckets, counts = flattened(sketches)
    place = owner * buckets.NEGATIVE + nonzero_buckets % buckets.NEGATIVE
    table = np.zeros([len(sketches), buckets.NEGATIVE], np.int64)
    np.add.at(table.reshape(-1), place, counts)
    table[:, buckets.ZERO] -= [sketch.zeros for sketch in sketches]
    owner, index = np.nonzero(table[:, : buckets.NONFINITE])
    return owner, index, table[owner, index]


class _Bars(NamedTuple):
    """The bars of several sketches, those of each after those of the one before.

    Attributes:
        edges: float64 `[k, 2]`, ascending within a sketch.
        counts: int64 `[k]`.
        lengths: int64 `[n]`, how many bars each sketch has.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def owner(self) -> NDArray[np.int64]:
        """int64 `[k]`, the number of the sketch of each bar."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def joined(self, begins: NDArray[np.bool_]) -> _Bars:
        """Joins each bar to the one before that is of the same sketch and side of zero.

        Args:
            begins: Bool `[k]`, which bars are not to be joined all the same.
        """
        side = np.sign(self.edges[:, 0] / 2 + self.edges[:, 1] / 2)
        starts = np.flatnonzero(begins | _differs(self.owner) | _differs(side))
        ends = np.append(starts[1:], len(self.counts)) - 1
        return _Bars(
            np.stack([self.edges[starts, 0], self.edges[ends, 1]], axis=1),
            np.add.reduceat(self.counts, starts),
            np.bincount(self.owner[starts], minlength=len(self.lengths)),
        )


def _rows(
    edges: NDArray[np.float64], counts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> list[NDArray[np.float64]]:
    """Joins the intervals of each sketch to as few bars as show the same."""
    if not len(counts):
        return [np.zeros([0, 3])] * len(lengths)
    bars = _Bars(edges, counts, lengths)
    bars = bars.joined(_lie_in_another_part(bars))
    bars = bars.joined(_are_seen(bars))
    rows = np.concatenate([bars.edges, bars.counts[:, np.newaxis].astype(np.float64)], axis=1)
    return np.split(rows, np.cumsum(bars.lengths)[:-1])


def _lie_in_another_part(bars: _Bars) -> NDArray[np.bool_]:
    """Returns which bars lie in another part of the whole width than the one before.

    Where there are few, each does.
    """
    owner, edges, lengths = bars.owner, bars.edges, bars.lengths
    last = (np.cumsum(lengths) - 1)[owner]
    low, high = edges[last - lengths[owner] + 1, 0], edges[last, 1]
    with np.errstate(invalid="ignore", divide="ignore"):  # halves, because a width may overflow
        place = (edges[:, 0] / 4 + edges[:, 1] / 4 - low / 2) / (high / 2 - low / 2)
    place = np.clip(np.nan_to_num(place), 0, 1 - 1e-9)
    return _differs(np.floor(place * MAX_BARS)) | (lengths[owner] <= MAX_BARS)


def _are_seen(bars: _Bars) -> NDArray[np.bool_]:
    """Returns which bars hold enough to be seen, or clearly more or less than the one before."""
    fullest = np.zeros(len(bars.lengths), np.int64)
    np.maximum.at(fullest, bars.owner, bars.counts)
    share = bars.counts / fullest[bars.owner]
    visibility = np.searchsorted([_INVISIBLE, _FAINT], share, side="right")
    return (share >= _FAINT) | _differs(visibility)


def _differs(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Returns which values differ from the one before; the first does."""
    return np.append(True, values[1:] != values[:-1])

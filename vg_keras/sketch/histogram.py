"""Turns sketches into histograms: TensorBoard's rows of left edge, right edge and count.

Requires only NumPy. Empty buckets are left out, the outer edges are min and max, and no bar crosses
zero. Each function takes many sketches, because a record has dozens of them and NumPy takes as long
for one as for all.

TensorBoard always draws a histogram with 30 bars of equal width. A sketch has finer buckets, most
of them near zero. So buckets within about the width of one drawn bar are merged into one bar, as
are neighboring bars that are too low to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vg_keras.sketch import buckets
from vg_keras.sketch.sketch import Sketch, flattened, intervals_of

MAX_BARS = 25
"""Maximum number of bars on a linear or log axis, plus up to two for zero, which has its own bar
and splits another one."""

_FAINT, _INVISIBLE = 0.02, 0.002
"""Bars below these fractions of the highest bar can hardly be seen, or not at all."""


def histograms(sketches: Sequence[Sketch]) -> list[NDArray[np.float64]]:
    """Returns the histograms of the finite elements.

    Zeros have a bar of zero width at zero.

    Returns:
        For each sketch, float64 `[k, 3]` with left edge, right edge and count, ascending, where `k`
        is at most 27.
    """
    return _rows(*intervals_of(sketches)) if sketches else []


def log10_histograms(sketches: Sequence[Sketch]) -> list[NDArray[np.float64]]:
    """Returns the histograms of log10 of the absolute values of the finite nonzero elements.

    The upper edge is exact. The lower edge is exact if all elements have the same sign. Otherwise
    it is that of the lowest bucket: at most 0.1 too low for a normal float32, 0.3 for a subnormal
    one, and log10 of 2**-149 for values below 2**-128.

    Returns:
        For each sketch, float64 `[k, 3]` with left edge, right edge and count, ascending, where `k`
        is at most 25.
    """
    if not sketches:
        return []
    owner, index, counts = magnitudes_of(sketches)
    lengths = np.bincount(owner, minlength=len(sketches))
    present = np.flatnonzero(lengths)
    last = (np.cumsum(lengths) - 1)[present]
    first = last - lengths[present] + 1
    edges = np.stack([buckets.MAGNITUDE_EDGES[index], buckets.MAGNITUDE_EDGES[index + 1]], axis=1)
    of_one_sign = np.array(
        [max(sketches[i].finite_min, -sketches[i].finite_max) for i in present.tolist()]
    )
    edges[first, 0] = np.maximum(edges[first, 0], of_one_sign)
    edges[last, 1] = [sketches[i].finite_max_abs for i in present.tolist()]
    # log10 of 0 is infinite: let the lowest bucket start at the smallest subnormal float32.
    edges[first, 0] = np.maximum(edges[first, 0], np.minimum(2.0**-149, edges[first, 1]))
    return _rows(np.log10(edges), counts, lengths)


def magnitudes_of(
    sketches: Sequence[Sketch],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns the absolute values of the finite nonzero elements, of either sign, by bucket.

    Returns:
        For each nonempty bucket of each sketch, sorted: the index of the sketch, the bucket of the
        magnitude (see `buckets.MAGNITUDE_EDGES`), and the number of elements, all int64 `[k]`.
    """
    owner, nonzero_buckets, counts = flattened(sketches)
    place = owner * buckets.NEGATIVE + nonzero_buckets % buckets.NEGATIVE
    table = np.zeros([len(sketches), buckets.NEGATIVE], np.int64)
    np.add.at(table.reshape(-1), place, counts)
    table[:, buckets.ZERO] -= [sketch.zeros for sketch in sketches]
    owner, index = np.nonzero(table[:, : buckets.NONFINITE])
    return owner, index, table[owner, index]


class _Bars(NamedTuple):
    """The bars of several sketches, concatenated.

    Attributes:
        edges: float64 `[k, 2]`, left and right edges, ascending within a sketch.
        counts: int64 `[k]`, the number of elements in each bar.
        lengths: int64 `[n]`, the number of bars of each sketch.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def owner(self) -> NDArray[np.int64]:
        """int64 `[k]`, the index of the sketch of each bar."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def joined(self, begins: NDArray[np.bool_]) -> _Bars:
        """Merges each bar with the previous one of the same sketch and on the same side of zero.

        Args:
            begins: bool `[k]`, which bars must not be merged with the previous one.
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
    """Merges the intervals of each sketch into the fewest bars that look the same."""
    if not len(counts):
        return [np.zeros([0, 3])] * len(lengths)
    bars = _Bars(edges, counts, lengths)
    bars = bars.joined(_lie_in_another_part(bars))
    bars = bars.joined(_are_seen(bars))
    rows = np.concatenate([bars.edges, bars.counts[:, np.newaxis].astype(np.float64)], axis=1)
    return np.split(rows, np.cumsum(bars.lengths)[:-1])


def _lie_in_another_part(bars: _Bars) -> NDArray[np.bool_]:
    """Returns which bars lie in a different part of the whole width than the previous one.

    In sketches of at most `MAX_BARS` bars, every bar does.
    """
    owner, edges, lengths = bars.owner, bars.edges, bars.lengths
    last = (np.cumsum(lengths) - 1)[owner]
    low, high = edges[last - lengths[owner] + 1, 0], edges[last, 1]
    with np.errstate(invalid="ignore", divide="ignore"):  # scaled, because the width may overflow
        place = (edges[:, 0] / 4 + edges[:, 1] / 4 - low / 2) / (high / 2 - low / 2)
    place = np.clip(np.nan_to_num(place), 0, 1 - 1e-9)
    return _differs(np.floor(place * MAX_BARS)) | (lengths[owner] <= MAX_BARS)


def _are_seen(bars: _Bars) -> NDArray[np.bool_]:
    """Returns which bars are high enough to be seen, or look different from the previous one."""
    fullest = np.zeros(len(bars.lengths), np.int64)
    np.maximum.at(fullest, bars.owner, bars.counts)
    fraction = bars.counts / fullest[bars.owner]
    visibility = np.searchsorted([_INVISIBLE, _FAINT], fraction, side="right")
    return (fraction >= _FAINT) | _differs(visibility)


def _differs(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Returns which values differ from the previous one; the first one always does."""
    return np.append(True, values[1:] != values[:-1])

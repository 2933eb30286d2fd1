"""A finished sketch: the statistics of a measured tensor.

Requires only NumPy. `statistics/tensor_sketch.py` computes sketches of tensors, and `histogram.py`
turns sketches into the bars of a chart.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vg_keras.sketch import buckets

AGGREGATES = (
    "finite_sum",
    "finite_l1_norm",
    "finite_norm",
    "finite_min",
    "finite_max",
    "zeros",
    "positive_infinities",
    "negative_infinities",
)
"""The numbers of a sketch besides its counts, in the order that the train step and event files use.
The format on disk depends on this order."""

_aggregates_of = operator.attrgetter(*AGGREGATES)

QUANTILE_ERROR = 1 / 9
"""Bound on the relative error of `Sketch.quantile`: that of a bucket with edges in ratio 4 to 5."""


@dataclass(frozen=True, eq=False, repr=False)
class Sketch:
    """Statistics of the elements of one tensor.

    `norm`, `min` and every other statistic of the values is NaN if any element is not finite, so
    that an exploded gradient does not look like a vanished one. What is named `finite_...`, the
    intervals and the quantiles are those of the finite elements alone. `+` merges the sketches of
    two parts of a tensor into the sketch of the whole.

    Args:
        nonzero_buckets: uint16 `[k]`, ascending: the buckets of `vg_keras.sketch.buckets` with at
            least one element.
        nonzero_counts: int64 `[k]`, the number of elements in each of these buckets.
        finite_sum: Sum of the finite elements.
        finite_l1_norm: L1 norm of the finite elements: the sum of their absolute values.
        finite_norm: L2 norm of the finite elements, to a relative error of 1e-6.
        finite_min: The smallest finite element, or NaN if there is none.
        finite_max: The largest finite element, or NaN if there is none.
        zeros: Number of elements that are zero, of either sign.
        positive_infinities: Number of elements that are +Inf.
        negative_infinities: Number of elements that are -Inf.
    """

    nonzero_buckets: NDArray[np.uint16]
    nonzero_counts: NDArray[np.int64]
    finite_sum: float
    finite_l1_norm: float
    finite_norm: float
    finite_min: float
    finite_max: float
    zeros: int
    positive_infinities: int
    negative_infinities: int

    @classmethod
    def of(cls, counts: ArrayLike, aggregates: ArrayLike) -> Sketch:
        """Creates a sketch from the results of the train step.

        Args:
            counts: Integers `[2048]`, the number of elements in every bucket.
            aggregates: float64 `[8]`, in the order of `AGGREGATES`.
        """
        counts = np.asarray(counts, np.int64)
        nonzero_buckets = np.flatnonzero(counts).astype(np.uint16)
        return cls.of_nonzero(nonzero_buckets, counts[nonzero_buckets], aggregates)

    @classmethod
    def of_nonzero(
        cls,
        nonzero_buckets: NDArray[np.uint16],
        nonzero_counts: NDArray[np.int64],
        aggregates: ArrayLike,
        nonfinite: int | None = None,
    ) -> Sketch:
        """Creates a sketch from its nonzero buckets and float64 `[8]` aggregates.

        Args:
            nonzero_buckets: As in the constructor.
            nonzero_counts: As in the constructor.
            aggregates: float64 `[8]`, in the order of `AGGREGATES`.
            nonfinite: The number of elements that are not finite, if it is known already.
        """
        is_list = isinstance(aggregates, list)
        values: Any = aggregates if is_list else np.asarray(aggregates, np.float64).tolist()
        sketch = cls(nonzero_buckets, nonzero_counts, *values[:5], *map(int, values[5:]))
        if nonfinite is not None:
            vars(sketch)["nonfinite"] = nonfinite  # what the cached property would compute
        return sketch

    @property
    def aggregates(self) -> list[float]:
        """All numbers except the counts, in the order of `AGGREGATES`."""
        return list(_aggregates_of(self))

    @property
    def counts(self) -> NDArray[np.int64]:
        """int64 `[2048]`: the number of elements in every bucket."""
        counts = np.zeros(buckets.NUM_BUCKETS, np.int64)
        counts[self.nonzero_buckets] = self.nonzero_counts
        return counts

    @functools.cached_property
    def count(self) -> int:
        """Number of elements, finite or not."""
        return int(self.nonzero_counts.sum())

    @functools.cached_property
    def nonfinite(self) -> int:
        """Number of elements that are NaN or infinite."""
        exponents = self.nonzero_buckets % buckets.NEGATIVE
        return int(self.nonzero_counts[exponents >= buckets.NONFINITE].sum())

    @property
    def nans(self) -> int:
        """Number of elements that are NaN."""
        return self.nonfinite - self.positive_infinities - self.negative_infinities

    @property
    def finite(self) -> int:
        """Number of elements that are neither NaN nor infinite."""
        return self.count - self.nonfinite

    @property
    def finite_max_abs(self) -> float:
        """Maximum absolute value of the finite elements, or NaN if there is none."""
        return max(-self.finite_min, self.finite_max)

    @property
    def sum(self) -> float:
        """Sum of the elements."""
        return self._if_finite(self.finite_sum)

    @property
    def l1_norm(self) -> float:
        """L1 norm: the sum of the absolute values."""
        return self._if_finite(self.finite_l1_norm)

    @property
    def norm(self) -> float:
        """L2 norm, to a relative error of 1e-6."""
        return self._if_finite(self.finite_norm)

    @property
    def min(self) -> float:
        """The smallest element, or NaN if there is none."""
        return self._if_finite(self.finite_min)

    @property
    def max(self) -> float:
        """The largest element, or NaN if there is none."""
        return self._if_finite(self.finite_max)

    @property
    def max_abs(self) -> float:
        """Maximum absolute value, or NaN if there is no element."""
        return self._if_finite(self.finite_max_abs)

    @property
    def mean(self) -> float:
        """Mean, or NaN if there is no element."""
        return self.sum / self.count if self.count else math.nan

    @property
    def mean_abs(self) -> float:
        """Mean absolute value, or NaN if there is no element."""
        return self.l1_norm / self.count if self.count else math.nan

    @property
    def rms(self) -> float:
        """Root mean square, or NaN if there is no element."""
        return self.norm / math.sqrt(self.count) if self.count else math.nan

    def _if_finite(self, value: float) -> float:
        return math.nan if self.nonfinite else value

    def __repr__(self) -> str:
        """Returns the size, the norm and the range, and how many elements are not finite."""
        values = f"norm {self.norm:.3g}, min {self.min:.3g}, max {self.max:.3g}"
        counted = {"zero": self.zeros, "NaN": self.nans}
        counted |= {"+Inf": self.positive_infinities, "-Inf": self.negative_infinities}
        found = "".join(f", {number:,} {what}" for what, number in counted.items() if number)
        return f"<Sketch of {self.count:,} elements: {values}{found}>"

    def __add__(self, other: Sketch) -> Sketch:
        """Returns the sketch of the elements of both tensors."""
        if not isinstance(other, Sketch):
            return NotImplemented
        aggregates = np.add(self.aggregates, other.aggregates)
        norms = self.finite_norm, other.finite_norm
        aggregates[AGGREGATES.index("finite_norm")] = math.hypot(*norms)
        # fmin and fmax ignore the NaN of a part without finite elements.
        aggregates[AGGREGATES.index("finite_min")] = np.fmin(self.finite_min, other.finite_min)
        aggregates[AGGREGATES.index("finite_max")] = np.fmax(self.finite_max, other.finite_max)
        return Sketch.of(self.counts + other.counts, aggregates)

    def __eq__(self, other: object) -> bool:
        """Whether all numbers are equal, with NaN equal to NaN."""
        if not isinstance(other, Sketch):
            return NotImplemented
        return (
            np.array_equal(self.nonzero_buckets, other.nonzero_buckets)
            and np.array_equal(self.nonzero_counts, other.nonzero_counts)
            and np.array_equal(self.aggregates, other.aggregates, equal_nan=True)
        )

    def __hash__(self) -> int:
        """Returns a hash consistent with `==`."""
        return hash((self.count, self.zeros))

    def intervals(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Returns the nonempty intervals of the finite elements.

        Zero has its own interval of zero width. The two outermost edges are `finite_min` and
        `finite_max`.

        Returns:
            The edges, float64 `[k, 2]`, ascending, with no interval across zero, and the number of
            elements in each interval, int64 `[k]`, all positive.
        """
        edges, counts, _ = intervals_of([self])
        return edges, counts

    def quantile(self, q: ArrayLike) -> NDArray[np.float64]:
        """Returns approximate quantiles of the finite elements.

        A quantile is the element of rank `ceil(q * finite)`, as in
        `numpy.quantile(..., method="inverted_cdf")`. Its bucket is known, its position within the
        bucket is not: the relative error is at most 1/9 (`QUANTILE_ERROR`), or the absolute error
        at most 2**-129 if the element is subnormal. Zero and both extremes are exact. float64
        elements beyond float32's range share its outermost buckets and have no error bound.

        Args:
            q: Probabilities from 0 to 1, of any shape.

        Returns:
            float64 array of the shape of `q`; NaN if no element is finite.

        Raises:
            ValueError: If a probability is not between 0 and 1.
        """
        q = np.asarray(q, np.float64)
        if not np.all((q >= 0) & (q <= 1)):
            raise ValueError(f"`q` must lie between 0 and 1. Received: q={q}.")
        edges, counts = self.intervals()
        if not len(edges):
            return np.full(q.shape, math.nan)
        ranks = np.ceil(q * self.finite)
        place = np.minimum(np.searchsorted(np.cumsum(counts), ranks), len(counts) - 1)
        values = _middle(edges)[place]
        values = np.where(ranks <= 1, self.finite_min, values)
        return np.where(ranks >= self.finite, self.finite_max, values)


def intervals_of(
    sketches: Sequence[Sketch],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns the intervals of several sketches at once, much faster than one by one.

    Returns:
        Edges float64 `[k, 2]` and counts int64 `[k]` as from `Sketch.intervals`, concatenated over
        the sketches, and the number of intervals of each sketch, int64 `[len(sketches)]`.
    """
    owner, nonzero_buckets, counts = flattened(sketches)
    zeros = np.array([sketch.zeros for sketch in sketches], np.int64)
    counts = counts - np.where(nonzero_buckets == buckets.ZERO, zeros[owner], 0)
    index = nonzero_buckets % buckets.NEGATIVE
    keep = (index < buckets.NONFINITE) & (counts > 0)
    owner, index, counts = owner[keep], index[keep], counts[keep]
    is_negative = nonzero_buckets[keep] >= buckets.NEGATIVE
    lower, upper = buckets.MAGNITUDE_EDGES[index], buckets.MAGNITUDE_EDGES[index + 1]
    with_zeros = np.flatnonzero(zeros)
    nothing = np.zeros(len(with_zeros))
    left = np.concatenate([np.where(is_negative, -upper, lower), nothing])
    right = np.concatenate([np.where(is_negative, -lower, upper), nothing])
    owner = np.concatenate([owner, with_zeros])
    counts = np.concatenate([counts, zeros[with_zeros]])
    order = np.lexsort([right, left, owner])
    edges = np.stack([left, right], axis=1)[order]
    lengths = np.bincount(owner, minlength=len(sketches))
    last = np.cumsum(lengths) - 1
    present = np.flatnonzero(lengths)
    edges[(last - lengths + 1)[present], 0] = [sketches[i].finite_min for i in present.tolist()]
    edges[last[present], 1] = [sketches[i].finite_max for i in present.tolist()]
    return edges + 0.0, counts[order].astype(np.int64), lengths  # + 0.0 turns -0 into 0


def flattened(
    sketches: Sequence[Sketch],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns the sketch index, the bucket and the count of every nonzero bucket."""
    lengths = [len(sketch.nonzero_buckets) for sketch in sketches]
    owner = np.repeat(np.arange(len(sketches)), lengths)
    empty = [np.zeros(0, np.int64)]
    indices = np.concatenate([sketch.nonzero_buckets for sketch in sketches] or empty)
    counts = np.concatenate([sketch.nonzero_counts for sketch in sketches] or empty)
    return owner, indices.astype(np.int64), counts


def _middle(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the representative of each interval that minimizes the largest error.

    For normal numbers this is the relative error, which the harmonic mean of the edges minimizes;
    for subnormal numbers, whose buckets are all equally wide, the absolute error.
    """
    left, right = edges[:, 0], edges[:, 1]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        harmonic = 2 / (1 / left + 1 / right)
    is_subnormal = np.minimum(np.abs(left), np.abs(right)) < buckets.SMALLEST_NORMAL
    return np.where(is_subnormal, left + (right - left) / 2, harmonic)


def nonfinite_of_each(
    nonzero_buckets: NDArray[np.uint16], nonzero_counts: NDArray[np.int64], ends: Sequence[int]
) -> list[int]:
    """Returns the number of non-finite elements of each of several sketches.

    One by one, that takes as long as reading them.

    Args:
        nonzero_buckets: uint16 `[k]`, the nonzero buckets of all sketches, one after the other.
        nonzero_counts: int64 `[k]`, the number of elements in each of them.
        ends: Where the buckets of each sketch end.
    """
    places = np.flatnonzero(nonzero_buckets % buckets.NEGATIVE >= buckets.NONFINITE)
    found = [0] * len(ends)
    owners = np.searchsorted(ends, places, side="right").tolist()
    for owner, count in zip(owners, nonzero_counts[places].tolist(), strict=True):
        found[owner] += count
    return found

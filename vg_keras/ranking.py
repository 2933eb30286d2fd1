"""Which variables stand out: those with the largest gradients, and those unlike their own past.

Neither TensorFlow nor Keras.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from vg_keras.record import Record

PAST = 20
"""Earlier records that tell what is usual for a variable."""

_MIN_PAST = 3


class Ranked(NamedTuple):
    """A variable that stands out.

    Attributes:
        path: Its path.
        norm: The L2 norm of its gradient; NaN where any element is not finite.
        usual_norm: The median of those of the records before, or NaN where there are too few.
    """

    path: str
    norm: float
    usual_norm: float

    @property
    def decades(self) -> float:
        """log10 of the norm relative to the usual one: 1 for ten times as much.

        Infinite where one of the two is zero or not finite, and NaN where the usual norm is not
        known.
        """
        if self.norm == self.usual_norm:
            return 0.0
        if math.isnan(self.usual_norm):
            return math.nan
        if math.isnan(self.norm) or not self.usual_norm:
            return math.inf
        return math.log10(self.norm / self.usual_norm) if self.norm else -math.inf


class NormHistory:
    """The gradient norms of the latest records, by variable.

    Example:
        >>> history = NormHistory()
        >>> for record in read_run("logs").records:  # doctest: +SKIP
        ...     print(record.step, history.most_changed(record, 3))
        ...     history.add(record)
    """

    def __init__(self) -> None:
        self._norms: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=PAST))

    def add(self, record: Record) -> None:
        """Takes a record into the history."""
        for path, norm in norms_of(record).items():
            if math.isfinite(norm):
                self._norms[path].append(norm)

    def ranked(self, record: Record) -> list[Ranked]:
        """Returns all variables of a record beside their history, in the order of the record."""
        return [Ranked(path, norm, self._usual(path)) for path, norm in norms_of(record).items()]

    def most_changed(self, record: Record, num: int) -> list[Ranked]:
        """Returns the variables whose gradient differs most from what was usual for it.

        Args:
            record: A record that is not yet in the history.
            num: How many, at most. Variables without enough of a past are left out.
        """
        known = [one for one in self.ranked(record) if not math.isnan(one.decades)]
        return sorted(known, key=lambda one: -abs(one.decades))[:num]

    def _usual(self, path: str) -> float:
        norms = self._norms.get(path, ())
        return statistics.median(norms) if len(norms) >= _MIN_PAST else math.nan


def norms_of(record: Record) -> Mapping[str, float]:
    """Returns the L2 norm of each gradient; NaN where any element is not finite."""
    return {
        path: math.nan if sketch.nonfinite else sketch.norm
        for path, sketch in record.gradients.items()
    }


def largest(ranked: Iterable[Ranked], num: int) -> list[Ranked]:
    """Returns the variables with the largest gradients, those that are not finite first.

    Args:
        ranked: Variables.
        num: How many, at most.
    """
    return sorted(ranked, key=lambda one: (not math.isnan(one.norm), -one.norm))[:num]

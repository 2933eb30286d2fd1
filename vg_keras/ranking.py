"""Ranks variables by their gradient norm, and by its change from earlier records.

Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from vg_keras.record import Record

PAST = 20
"""Number of earlier records whose median is the usual norm of a variable."""

_MIN_PAST = 3


class Ranked(NamedTuple):
    """A variable with its gradient norm and its usual gradient norm.

    Attributes:
        path: The path of the variable.
        norm: The L2 norm of its gradient; NaN if any element is not finite.
        usual_norm: The median norm in earlier records; NaN if there are too few.
    """

    path: str
    norm: float
    usual_norm: float

    @property
    def decades(self) -> float:
        """log10 of the norm divided by the usual norm: 1 means ten times as large.

        Infinite if one of the two is zero or the norm is not finite; NaN if the usual norm is not
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
    """The gradient norms of the latest records of each variable.

    Example:
        >>> history = NormHistory()
        >>> for record in read_run("logs").records:  # doctest: +SKIP
        ...     print(record.step, history.most_changed(record, 3))
        ...     history.add(record)
    """

    def __init__(self) -> None:
        self._norms: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=PAST))

    def add(self, record: Record) -> None:
        """Adds a record to the history."""
        for path, norm in norms_of(record).items():
            if math.isfinite(norm):
                self._norms[path].append(norm)

    def ranked(self, record: Record) -> list[Ranked]:
        """Returns all variables of a record with their usual norms, in the order of the record."""
        return [Ranked(path, norm, self._usual(path)) for path, norm in norms_of(record).items()]

    def most_changed(self, record: Record, num: int) -> list[Ranked]:
        """Returns the variables whose gradient norm differs most from their usual one.

        Args:
            record: A record that is not yet in the history.
            num: Maximum number of variables. Those with too short a history are left out.
        """
        known = [one for one in self.ranked(record) if not math.isnan(one.decades)]
        return sorted(known, key=lambda one: -abs(one.decades))[:num]

    def _usual(self, path: str) -> float:
        norms = self._norms.get(path, ())
        return statistics.median(norms) if len(norms) >= _MIN_PAST else math.nan


def norms_of(record: Record) -> Mapping[str, float]:
    """Returns the L2 norm of each gradient; NaN if any element is not finite."""
    return {path: sketch.norm for path, sketch in record.gradients.items()}


def largest(ranked: Iterable[Ranked], num: int) -> list[Ranked]:
    """Returns the variables with the largest gradient norms, non-finite ones first.

    Args:
        ranked: The variables to choose from.
        num: Maximum number of variables.
    """
    return sorted(ranked, key=lambda one: (not math.isnan(one.norm), -one.norm))[:num]

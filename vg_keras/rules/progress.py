"""Whether the loss has fallen: what looks sick in a network that learns well is no problem."""

from __future__ import annotations

import statistics
from collections import deque

from vg_keras.record import Record


class Progress:
    """The loss of a training run so far.

    Single batches differ, so medians of several records are compared.

    Args:
        fraction: The loss must have fallen below this fraction of the first ones. A network that
            learns nothing but the frequency of each class gets from 2.5 to 2.3 with ten classes and
            from 0.8 to 0.7 with two. Losses that are not positive never count as fallen.
        num_records: Number of records that each median is taken of.
    """

    def __init__(self, fraction: float = 0.7, num_records: int = 3) -> None:
        self._fraction = fraction
        self._first: list[float] = []
        self._last: deque[float] = deque(maxlen=num_records)
        self._num_records = num_records

    def add(self, record: Record) -> None:
        """Adds the loss of a record, if it is known."""
        if record.loss is None:
            return
        if len(self._first) < self._num_records:
            self._first.append(record.loss)
        self._last.append(record.loss)

    @property
    def has_fallen(self) -> bool:
        """Whether the loss has fallen. False if it is not known."""
        if len(self._first) < self._num_records or min(self._first) <= 0:
            return False
        return statistics.median(self._last) < self._fraction * statistics.median(self._first)

"""Whether the loss has fallen: what looks sick in a network that learns well is no problem."""

from __future__ import annotations

import math
import statistics
from collections import deque

from vg_keras.record import Record, Training


class Progress:
    """The loss of a training run so far.

    Single batches differ, so the median of the last records is compared with the smallest of the
    first steps: a fault may have raised the others already.

    Args:
        training: The training run. If it is resumed, its loss may have fallen before.
        fraction: The loss must have fallen below this fraction of the first ones. A network that
            learns nothing but the frequency of each class gets from 2.5 to 2.3 with ten classes and
            from 0.8 to 0.7 with two. Losses that are not positive never count as fallen.
        num_steps: Number of steps, from the first record, whose losses are the first ones.
        num_records: Number of last records.
    """

    def __init__(
        self,
        training: Training,
        fraction: float = 0.7,
        num_steps: int = 2,
        num_records: int = 3,
    ) -> None:
        self.is_resumed = training.resumed_from is not None
        self._fraction = fraction
        self._num_steps = num_steps
        self._first_step: int | None = None
        self._first = math.inf
        self._last: deque[float] = deque(maxlen=num_records)

    def add(self, record: Record) -> None:
        """Adds the loss of a record, if it is known."""
        if record.loss is None:
            return
        if self._first_step is None:
            self._first_step = record.step
        if record.step - self._first_step <= self._num_steps:
            self._first = min(self._first, record.loss)
        self._last.append(record.loss)

    @property
    def has_fallen(self) -> bool:
        """Whether the loss has fallen since the run began. False if it is not known."""
        if len(self._last) < (self._last.maxlen or 1) or not 0 < self._first < math.inf:
            return False
        return statistics.median(self._last) < self._fraction * self._first

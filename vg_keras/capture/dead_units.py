"""Tracks dead units: those that are zero on every example of many batches, not just one.

Plain NumPy on the host; `encode.py` finds the active units of a single step.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

WINDOW = 10
"""Maximum number of records over which a unit must be zero to count as dead.

A unit that is active on one example in a hundred is zero on a whole batch of 128 with a probability
of 1 in 4, and on ten such batches with 1 in 400,000.
"""


class DeadUnits:
    """Dead units of one layer, tracked from record to record."""

    def __init__(self) -> None:
        self._window: deque[tuple[NDArray[np.bool_], int]] = deque()
        self._num_active: NDArray[np.uint8] | None = None

    def add(self, active: NDArray[np.bool_], examples: int) -> tuple[float, int] | None:
        """Adds the active units of one recorded step.

        Args:
            active: Whether each unit was nonzero on any example, bool `[units]`.
            examples: Number of examples.

        Returns:
            The fraction of units that were zero on every example of the last `WINDOW` records, and
            the number of those examples. None at the first record: one batch is not enough.
        """
        if self._num_active is None:
            self._num_active = np.zeros(len(active), np.uint8)
        self._num_active += active
        self._window.append((active, examples))
        if len(self._window) > WINDOW:
            self._num_active -= self._window.popleft()[0]
        if len(self._window) < 2:
            return None
        silent = float(np.mean(self._num_active == 0))
        return silent, sum(count for _, count in self._window)

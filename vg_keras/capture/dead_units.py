"""Which units are dead: zero on every example for a long while, not merely in one batch. NumPy."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

WINDOW = 10
"""Records that a statement on dead units looks back on, as far as there are that many.

A unit that fires on one example in a hundred is silent in a batch of 128 in one case out of four,
and in ten of them in one case out of 400,000.
"""


class DeadUnits:
    """Follows the units of one layer from record to record."""

    def __init__(self) -> None:
        self._window: deque[tuple[NDArray[np.bool_], int]] = deque()
        self._num_active: NDArray[np.uint8] | None = None

    def add(self, active: NDArray[np.bool_], examples: int) -> tuple[float, int] | None:
        """Takes what was seen in one recorded step.

        Args:
            active: bool `[units]`, whether the unit was other than zero on any example.
            examples: Number of examples.

        Returns:
            The fraction of units that were zero on every example of the last `WINDOW` records, and
            how many examples those are. None at the first record: zero in one batch is not dead.
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

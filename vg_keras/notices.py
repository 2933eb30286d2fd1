"""Warnings for the user, each given once."""

from __future__ import annotations

import warnings
from collections import deque


class Notices:
    """Warns of each thing once. Another thread can post a notice, which is given later."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._posted: deque[str] = deque()

    def warn_once(self, message: str) -> None:
        """Warns, unless the same warning was given before."""
        if message not in self._given:
            self._given.add(message)
            warnings.warn(message, stacklevel=2)

    def post(self, message: str) -> None:
        """Leaves a notice for `give`. It may be called by any thread."""
        self._posted.append(message)

    def give(self) -> None:
        """Warns of what was posted, in the thread of the user."""
        while self._posted:
            self.warn_once(self._posted.popleft())

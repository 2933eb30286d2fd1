"""Gives the user each warning once."""

from __future__ import annotations

import warnings
from collections import deque


class Notices:
    """Issues each warning once. Other threads can post warnings, to be issued later."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._posted: deque[str] = deque()

    def warn_once(self, message: str) -> None:
        """Warns, unless the same warning was given before."""
        if message not in self._given:
            self._given.add(message)
            warnings.warn(message, stacklevel=2)

    def post(self, message: str) -> None:
        """Queues a warning for `give`. Any thread may call this."""
        self._posted.append(message)

    def give(self) -> None:
        """Issues the posted warnings, in the thread of the user."""
        while self._posted:
            self.warn_once(self._posted.popleft())

"""Counts how many records in a row show something: one record may be an exception."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class InARow:
    """Counts, for each path, the records in a row that show something.

    Args:
        num_records: Number of records in a row that are needed.
    """

    def __init__(self, num_records: int) -> None:
        self._needed = num_records
        self._counts: Counter[str] = Counter()

    def add(self, shown: Mapping[str, bool]) -> tuple[str, ...]:
        """Takes what the next record shows, and returns the paths that have enough in a row.

        Args:
            shown: Whether the record shows it, by path. A path that is left out keeps its count.
        """
        for path, is_shown in shown.items():
            self._counts[path] = self._counts[path] + 1 if is_shown else 0
        return tuple(path for path in shown if self._counts[path] >= self._needed)

"""Reads logs on as they grow, and keeps their numbers in tables of bounded size.

A request reads for a bounded time, so that the page shows a part of a large log at once and the
rest with its next requests. There is no thread of its own.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from vg_keras.log.event_file import record_at
from vg_keras.log.numbers import parse_numbers
from vg_keras.log.reader import Follower
from vg_keras.log.storage import storage_of
from vg_keras.number_table import Columns, NumberTable, Place
from vg_keras.record import Record, Training

MAX_BYTES = 512_000_000
"""Bytes that the tables of all logs may take. The logs that were used least recently are dropped,
and read again when they are needed."""


class OpenLog:
    """The numbers of all training runs in the directory of a run.

    Args:
        path: The directory.
    """

    def __init__(self, path: str) -> None:
        self._follower = Follower(path, are_runs=True)
        self._lock = Lock()
        self._tables: dict[str, NumberTable] = {}
        self.is_complete = False
        """Whether everything on disk was read when it was last looked at."""

    @property
    def trainings(self) -> Mapping[str, Training]:
        """The training runs that were found so far, by id, without records."""
        return {training.id: training for training in self._follower.trainings}

    @property
    def damage(self) -> tuple[str, ...]:
        """One sentence for each part that could not be read so far."""
        return self._follower.damage

    @property
    def fraction_read(self) -> float:
        """Fraction of the bytes on disk that were read."""
        return self._follower.fraction_read

    @property
    def num_bytes(self) -> int:
        """Roughly the number of bytes that the tables take."""
        return sum(table.num_bytes for table in self._tables.values())

    @property
    def is_current(self) -> bool:
        """Whether all files that were read are still there."""
        return all(Path(path).exists() for path in self._follower.paths)

    def read_on(self, seconds: float) -> None:
        """Reads records that were not read before.

        Args:
            seconds: Time after which to stop, even if there are more.

        Raises:
            FormatVersionError: If a newer version of vg_keras wrote the log.
        """
        with self._lock:
            end = time.monotonic() + seconds
            self.is_complete = False
            for stored in self._follower.poll_stored():
                numbers = stored.parsed(parse_numbers)
                if numbers is not None:
                    training = stored.training
                    if training.id not in self._tables:
                        self._tables[training.id] = NumberTable(training.model)
                    self._tables[training.id].add(numbers, Place(stored.path, stored.start))
                if time.monotonic() > end:
                    return
            self.is_complete = True

    def table(self, training: Training) -> NumberTable:
        """Returns the table of a training run; an empty one if no record was found yet."""
        return self._tables.get(training.id) or NumberTable(training.model)

    def columns(
        self, training: Training, name: str, first: int, stop: int | None, most: int
    ) -> Columns:
        """Returns the values of a quantity of a training run.

        Args:
            training: The training run.
            name: The name of the quantity in the menu.
            first: The first step.
            stop: The step to stop before, or None for no end.
            most: Maximum number of columns.
        """
        with self._lock:
            return self.table(training).columns(name, first, stop, most)

    def record(self, training: Training, place: Place) -> Record | None:
        """Returns a whole record, or None if it is gone or damaged.

        Args:
            training: The training run that it belongs to.
            place: Where it is stored.
        """
        try:
            return record_at(storage_of(place.path), place.path, place.start, training.model)
        except (OSError, ValueError):
            return None


class OpenLogs:
    """The logs that were asked for lately.

    Args:
        max_bytes: Bytes that their tables may take.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._logs: OrderedDict[str, OpenLog] = OrderedDict()

    def get(self, path: str) -> OpenLog:
        """Returns the log in the directory of a run."""
        with self._lock:
            log = self._logs.pop(path, None)
            if log is None or not log.is_current:
                log = OpenLog(path)
            self._logs[path] = log
            while len(self._logs) > 1 and self._num_bytes > self._max_bytes:
                self._logs.popitem(last=False)
            return log

    @property
    def _num_bytes(self) -> int:
        return sum(log.num_bytes for log in self._logs.values())

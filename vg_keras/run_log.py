"""Where the records of one run go: into memory, and to the event file while it is open."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from typing import Any

from vg_keras.cost import Cost
from vg_keras.quantities import SKETCHES
from vg_keras.record import ModelDescription, Record
from vg_keras.writer import RecordWriter

MAX_BYTES = 100_000_000
"""Memory that the records may take. A record of 8 layers takes 80 kB, one of 200 layers 2 MB."""


class RunLog:
    """The records of one run.

    Args:
        run_name: Its subdirectory of the log directory.
        kinds: Which charts to write, out of `events.KINDS`.
    """

    def __init__(self, run_name: str, kinds: Collection[str]) -> None:
        self.records: list[Record] = []
        self._run_name = run_name
        self._kinds = kinds
        self._writer: RecordWriter | None = None
        self._bytes = 0
        self._bytes_closed = 0

    @property
    def num_bytes(self) -> int:
        """Bytes written to event files since `clear`."""
        return self._bytes_closed + (self._writer.num_bytes if self._writer else 0)

    def open(
        self, log_dir: str, suffix: str = "", warn: Callable[[str], None] = warnings.warn
    ) -> None:
        """Prepares to write a new event file.

        Args:
            log_dir: Directory of the TensorBoard log.
            suffix: What is appended to the name of the run.
            warn: Takes a sentence that the user should read.

        Raises:
            ValueError: If no event file can be written there.
        """
        self.close()
        self._writer = RecordWriter(log_dir, self._kinds, self._run_name + suffix, warn)

    def clear(self) -> None:
        """Forgets all records."""
        self._keep([])
        self._bytes_closed = 0

    def resume_from(self, step: int) -> None:
        """Forgets the steps from this one on, which a resumed training run repeats."""
        self._keep([record for record in self.records if record.step < step or step == 0])
        if self._writer is not None:
            self._writer.resume_from(step)

    def add(self, record: Record, model: ModelDescription, has_histograms: bool = True) -> None:
        """Takes a record. Every second one is dropped from memory where they are too many.

        Args:
            record: What was measured.
            model: The model that it speaks of.
            has_histograms: Whether it is written with histograms.
        """
        self.records.append(record)
        self._bytes += bytes_of(record)
        while len(self.records) > 2 and self._bytes > MAX_BYTES:
            del self.records[1::2]
            self._bytes = sum(map(bytes_of, self.records))
        if self._writer is not None:
            self._writer.write(record, model, has_histograms)

    def close(self) -> None:
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()
            self._bytes_closed += self._writer.num_bytes
            self._writer = None

    def write_cost(self, cost: Cost) -> None:
        """Writes what the monitor has cost, if there are records in the event file."""
        if self._writer is not None:
            self._writer.write_cost(cost)

    def _keep(self, records: list[Record]) -> None:
        self.records = records
        self._bytes = sum(map(bytes_of, records))

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy takes over: the records, and no open file."""
        return self.__dict__ | {"records": list(self.records), "_writer": None}


_BYTES_OF_RECORD, _BYTES_OF_SKETCH = 2500, 700
"""Bytes of Python objects per record, and per sketch besides its two arrays (on Python 3.11)."""


def bytes_of(record: Record) -> int:
    """Returns roughly how many bytes of memory a record takes."""
    sketches = [
        sketch for quantity in SKETCHES for sketch in getattr(record, quantity.name).values()
    ]
    contents = sum(s.occupied.nbytes + s.occupied_counts.nbytes for s in sketches)
    return contents + _BYTES_OF_RECORD + _BYTES_OF_SKETCH * len(sketches)

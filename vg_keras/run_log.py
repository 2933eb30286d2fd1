"""Where the records of one run go: into memory, and to the event file while it is open."""

from __future__ import annotations

from collections.abc import Collection

from vg_keras.record import ModelDescription, Record
from vg_keras.writer import RecordWriter

MAX_RECORDS = 1000
"""Records kept in memory: about 50 MB of a network of 9 layers with all that is measured."""


class RunLog:
    """The records of one run.

    Args:
        log_dir: Directory of the TensorBoard log, or None to write nothing.
        run_name: Its subdirectory.
        kinds: Which charts to write, out of `events.KINDS`.
    """

    def __init__(self, log_dir: str | None, run_name: str, kinds: Collection[str]) -> None:
        self.records: list[Record] = []
        self._log_dir = log_dir
        self._run_name = run_name
        self._kinds = kinds
        self._writer: RecordWriter | None = None

    def open(self) -> None:
        """Opens a new event file.

        Raises:
            ValueError: None can be written there.
        """
        self.close()
        if self._log_dir is not None:
            self._writer = RecordWriter(self._log_dir, self._kinds, self._run_name)

    def begin_at(self, step: int) -> None:
        """Says with which step a training begins; a resumed one repeats steps after its backup."""
        self.records = [record for record in self.records if record.step < step or step == 0]
        if self._writer is not None:
            self._writer.begin_at(step)

    def add(self, record: Record, model: ModelDescription) -> None:
        """Takes a record. Beyond `MAX_RECORDS` every second one is dropped from memory."""
        self.records.append(record)
        if len(self.records) > MAX_RECORDS:
            del self.records[1::2]
        if self._writer is not None:
            self._writer.write(record, model)

    def close(self) -> None:
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

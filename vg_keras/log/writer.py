"""Writes records to an event file, on the host, and never lets a training run fail for it.

A file that can't be opened is an error, before training begins. After that, trouble with the disk
is one warning, and nothing more is written. `charts.py` says what an event looks like, and
`reader.py` reads it back.

On a local disk every record is flushed as soon as it is written, and `background.py` bounds how far
that is behind the training. On an object store a flush uploads the whole file again, so it is
flushed every two minutes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Collection
from typing import Any

from tensorboard.compat.proto import event_pb2
from tensorboard.summary.writer import event_file_writer

from vg_keras.cost import Cost
from vg_keras.log import charts
from vg_keras.log.chart_rhythm import MAX_HISTOGRAMS, MAX_SCALARS, MAX_TEXTS, Thinning
from vg_keras.log.storage import absolute, file_errors, is_remote, reason_of, storage_of, unwritable
from vg_keras.log.tfrecord import framed
from vg_keras.quantities import CHARTS
from vg_keras.ranking import NormHistory
from vg_keras.record import Record, Training

SECONDS_BETWEEN_FLUSHES = 120
"""For an object store, as in `tf.summary.create_file_writer`: 1,000 records of 200 kB, each flushed
by itself, would upload 100 GB."""

_serial_numbers = itertools.count()


class RecordWriter:
    """The event file of a training run, created when its first record is written.

    Args:
        run_directory: Directory of the file, local or any that `tf.io.gfile` can write to. It is
            created if it does not exist.
        kinds: Which charts to write, out of `charts.KINDS`.
        warn: Takes a sentence for the user.

    Raises:
        ValueError: If no event file can be created there.

    Attributes:
        path: The path of the file.
        num_bytes: Bytes written so far.
    """

    def __init__(
        self,
        run_directory: str,
        kinds: Collection[str] = charts.KINDS,
        warn: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.num_bytes = 0
        self._warn = warn
        self._kinds = kinds
        self._has_training = False
        self._file: Any = None
        self._is_closed = False
        self._next_flush = 0.0
        self._last_step = 0
        self._described: set[str] = set()
        self._thinnings = {kind: Thinning(_num_all(kind)) for kind in kinds}
        self._history = NormHistory()
        self.path = os.path.join(absolute(run_directory), _file_name())
        self._storage = storage_of(self.path)
        try:
            self._open()
            self.close()
            self._is_closed, self.num_bytes = False, 0
            self._storage.remove(self.path)  # a training run may have nothing to write
        except file_errors() as error:
            raise unwritable(os.path.dirname(run_directory), error) from error

    def write(self, record: Record, training: Training, has_histograms: bool = True) -> None:
        """Writes a record; warns at the first failure and writes nothing after that.

        Charts that TensorBoard would not keep are left out.

        Args:
            record: What was measured.
            training: The training run that all records of the file belong to. It is described
                before the first of them; its own records and cost are not written.
            has_histograms: Whether the record is written with its histograms, if it has any.
        """
        if self._is_closed:
            return
        try:
            if self._file is None:
                self._open()
                with contextlib.suppress(Exception):  # whatever W&B makes of it
                    _announce(os.path.dirname(self.path))
            if not self._has_training:
                self._begin(training, record)
            kinds = self._kinds_of_next(has_histograms)
            described = [kind for kind in kinds if kind not in self._described]
            self._append(
                charts.record_event(record, training.model, kinds, described, self._history)
            )
            self._history.add(record)
            self._described.update(kinds)
            self._last_step = record.step
            self._flush()
        except Exception as error:  # noqa: BLE001 - a record too large, no memory left, ...
            self._give_up(record.step, error)

    def _begin(self, training: Training, record: Record) -> None:
        self._has_training = True
        if training.resumed_from:
            self._append(charts.resumption_event(training.resumed_from, record.wall_time))
        self._append(charts.training_event(training, record.step, record.wall_time))

    def _kinds_of_next(self, has_histograms: bool) -> list[str]:
        """Returns the kinds of charts of the next record."""
        wanted = [k for k in self._kinds if has_histograms or not _is_histogram(k)]
        return [kind for kind in wanted if self._thinnings[kind].takes()]

    def write_cost(self, cost: Cost) -> None:
        """Writes what recording has cost, if there are records in the file."""
        if self._file is None:
            return
        try:
            self._append(charts.cost_event(cost, self._last_step, time.time()))
            self._flush()
        except Exception as error:  # noqa: BLE001 - as for a record
            self._give_up(self._last_step, error)

    def close(self) -> None:
        """Closes the file. Nothing can be written afterwards; closing again does nothing."""
        file, self._file = self._file, None
        self._is_closed = True
        if file is None:
            return
        try:
            file.close()
        except file_errors() as error:
            # Every event of a local file was flushed when it was written, or has been warned of.
            if is_remote(self.path):
                self._warn(
                    f"GradientMonitor could not write the last records to {self.path}: "
                    f"{reason_of(error)}. They are still in `monitor.records`."
                )

    def _open(self) -> None:
        """Creates the file, with the event that identifies it as an event file."""
        self._storage.make_directory(os.path.dirname(self.path))
        self._file = self._storage.open(self.path, "wb")
        self._append(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2"))
        self._file.flush()

    def _append(self, event: event_pb2.Event) -> None:
        data = framed(event.SerializeToString())
        self._file.write(data)
        self.num_bytes += len(data)

    def _flush(self) -> None:
        """Flushes what was written, and checks that the file is still there."""
        now = time.monotonic()
        if is_remote(self.path) and now < self._next_flush:
            return
        self._next_flush = now + SECONDS_BETWEEN_FLUSHES
        self._file.flush()
        # A file deleted under an open descriptor takes every write without an error.
        if not self._storage.is_file(self.path):
            raise FileNotFoundError("The event file is gone")

    def _give_up(self, step: int, error: Exception) -> None:
        file, self._file = self._file, None
        self._is_closed = True
        if file is not None:
            with contextlib.suppress(*file_errors()):
                file.close()
        self._warn(
            f"GradientMonitor stopped writing to {self.path} at step {step}: {reason_of(error)}. "
            "Training goes on, and `monitor.records` goes on too."
        )


def _announce(run_directory: str) -> None:
    """Announces a run directory to W&B.

    With `sync_tensorboard=True`, W&B watches directories in which TensorBoard's `EventFileWriter`
    was opened. This leaves an event file without records.
    """
    if "wandb" in sys.modules:
        event_file_writer.EventFileWriter(run_directory).close()  # W&B replaces it in its module


def _is_histogram(kind: str) -> bool:
    return CHARTS[kind][1].form.endswith("histogram")


def _num_all(kind: str) -> int:
    """Returns how many records have a chart of this kind before they become rarer."""
    if _is_histogram(kind):
        return MAX_HISTOGRAMS
    return MAX_TEXTS if CHARTS[kind][1].form == "text" else MAX_SCALARS


def _file_name() -> str:
    # TensorBoard knows an event file by "tfevents" in its name, and reads the files of a run in
    # the order of their names. Host, process and a serial number tell writers apart.
    serial = next(_serial_numbers)
    host = platform.node()
    return f"events.out.tfevents.{int(time.time())}.{host}.{os.getpid()}.{serial:06d}.v2"

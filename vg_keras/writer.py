"""Writes records to an event file, on the host, and never lets a training run fail for it.

A file that cannot be opened is an error, before training begins. From then on trouble with the disk
warns once, and what follows is not written. What an event looks like stands in `events.py`, and how
it is read back in `reader.py`.

On a file system every record is flushed as soon as it is written, and `background.py` says how far
behind the training that may be. On an object store a flush uploads the whole file again, so it is
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

import tensorflow as tf
from tensorboard.compat.proto import event_pb2
from tensorboard.summary.writer import event_file_writer

from vg_keras import events, metadata
from vg_keras.chart_rhythm import MAX_HISTOGRAMS, MAX_SCALARS, MAX_TEXTS, Thinning
from vg_keras.cost import Cost
from vg_keras.quantities import CHARTS
from vg_keras.ranking import NormHistory
from vg_keras.record import ModelDescription, Record
from vg_keras.run_directory import absolute, is_remote, reason_of, unwritable

SECONDS_BETWEEN_FLUSHES = 120
"""For an object store, as in `tf.summary.create_file_writer`: 1,000 records of 200 kB, each flushed
by itself, would upload 100 GB."""

_BYTES_AROUND_EVENT = 16
"""Its length and two checksums."""

_serial_numbers = itertools.count()


class RecordWriter:
    """An event file of its own in the run directory of a log directory, made for its first record.

    Args:
        log_dir: Directory of the log, local or any that `tf.io.gfile` can write to. The file goes
            to a subdirectory of it; both are made where they do not exist.
        kinds: Which charts to write, out of `events.KINDS`.
        run_name: The subdirectory.
        warn: Takes a sentence that the user should read.

    Raises:
        ValueError: If no file can be written there.

    Attributes:
        num_bytes: Bytes written.
    """

    def __init__(
        self,
        log_dir: str,
        kinds: Collection[str] = events.KINDS,
        run_name: str = metadata.RUN_NAME,
        warn: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.num_bytes = 0
        self._warn = warn
        self._kinds = kinds
        self._first_step = 0
        self._model: ModelDescription | None = None
        self._file: Any = None
        self._is_closed = False
        self._next_flush = 0.0
        self._last_step = 0
        self._described: set[str] = set()
        self._thinnings = {kind: Thinning(_num_all(kind)) for kind in kinds}
        self._history = NormHistory()
        self.path = os.path.join(absolute(log_dir), run_name, _file_name())
        try:
            self._open().close()
            tf.io.gfile.remove(self.path)  # a training run may have nothing to write
        except (tf.errors.OpError, OSError) as error:
            raise unwritable(log_dir, error) from error

    def resume_from(self, step: int) -> None:
        """Tells readers of the log that earlier records from this step on are void.

        They are of a training run that was aborted. Step 0 voids nothing.
        """
        self._first_step = step

    def write(self, record: Record, model: ModelDescription, has_histograms: bool = True) -> None:
        """Writes a record; warns at the first failure and writes nothing from then on.

        Charts that TensorBoard would not keep are left out.

        Args:
            record: What was measured.
            model: The model that it speaks of, written before the first of its records.
            has_histograms: Whether it is to have histograms, if there are any.
        """
        if self._is_closed:
            return
        try:
            if self._file is None:
                self._file = self._open()
                with contextlib.suppress(Exception):  # whatever W&B makes of it
                    _announce(os.path.dirname(self.path))
            if self._model is None and self._first_step > 0:
                self._append(events.resumption_event(self._first_step, record.wall_time))
            if model is not self._model:
                self._append(events.model_event(model, record.step, record.wall_time))
                self._model = model
                self._described.clear()
            kinds = self._kinds_of_next(has_histograms)
            described = [kind for kind in kinds if kind not in self._described]
            self._append(events.record_event(record, model, kinds, described, self._history))
            self._history.add(record)
            self._described.update(kinds)
            self._last_step = record.step
            self._flush()
        except Exception as error:  # noqa: BLE001 - a record too large, no memory left, ...
            self._give_up(record.step, error)

    def _kinds_of_next(self, has_histograms: bool) -> list[str]:
        """Returns the kinds of charts of the next record."""
        wanted = [k for k in self._kinds if has_histograms or not _is_histogram(k)]
        return [kind for kind in wanted if self._thinnings[kind].takes()]

    def write_cost(self, cost: Cost) -> None:
        """Writes what the monitor has cost, if there are records in the file."""
        if self._file is None:
            return
        try:
            self._append(events.cost_event(cost, self._last_step, time.time()))
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
        except (tf.errors.OpError, OSError) as error:
            # Of a local file every event was flushed when it was written, or has been warned of.
            if is_remote(self.path):
                self._warn(
                    f"GradientMonitor could not write the last records to {self.path}: "
                    f"{reason_of(error)}. They are still in `monitor.records`."
                )

    def _open(self) -> Any:
        """Returns the event file, with the event that says that it is one."""
        tf.io.gfile.makedirs(os.path.dirname(self.path))
        file = tf.io.TFRecordWriter(self.path)
        first = event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")
        file.write(first.SerializeToString())
        file.flush()
        return file

    def _append(self, event: event_pb2.Event) -> None:
        data = event.SerializeToString()
        self._file.write(data)
        self.num_bytes += len(data) + _BYTES_AROUND_EVENT

    def _flush(self) -> None:
        """Hands over what was written, and checks that the file is there."""
        now = time.monotonic()
        if is_remote(self.path) and now < self._next_flush:
            return
        self._next_flush = now + SECONDS_BETWEEN_FLUSHES
        self._file.flush()
        # A file deleted under an open descriptor takes every write without an error.
        if not tf.io.gfile.exists(self.path):
            raise FileNotFoundError("The event file is gone")

    def _give_up(self, step: int, error: Exception) -> None:
        file, self._file = self._file, None
        self._is_closed = True
        if file is not None:
            with contextlib.suppress(tf.errors.OpError, OSError):
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

"""Writes records to an event file, on the host, and never lets a training run fail for it.

A file that cannot be opened is an error, before training begins. From then on trouble with the disk
warns once, and what follows is not written. What an event looks like stands in `events.py`, and how
it is read back in `reader.py`.

An event is handed to the operating system as soon as it is written, so that a process killed
outright loses no step that was recorded.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import time
import warnings
from collections.abc import Collection
from typing import Any

import tensorflow as tf
from tensorboard.compat.proto import event_pb2

from vg_keras import events, metadata
from vg_keras.record import ModelDescription, Record

_serial_numbers = itertools.count()


class RecordWriter:
    """An event file of its own in the run directory of a log directory.

    Args:
        log_dir: Directory of the log, local or any that `tf.io.gfile` can write to. The file goes
            to a subdirectory of it; both are made where they do not exist.
        kinds: Which charts to write, out of `events.KINDS`.
        run_name: The subdirectory.

    Raises:
        ValueError: No file can be written there.
    """

    def __init__(
        self,
        log_dir: str,
        kinds: Collection[str] = events.KINDS,
        run_name: str = metadata.RUN_NAME,
    ) -> None:
        self._kinds = kinds
        self._first_step = 0
        self._model: ModelDescription | None = None
        self.path = os.path.join(_absolute(log_dir), run_name, _file_name())
        try:
            tf.io.gfile.makedirs(os.path.dirname(self.path))
            self._file: Any = tf.io.TFRecordWriter(self.path)
            self._append(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2"))
        except (tf.errors.OpError, OSError) as error:
            raise ValueError(
                "`log_dir` must be a directory that can be made and written to. "
                f"Received: log_dir={log_dir!r}. {_reason(error)}. Use another directory."
            ) from error

    def begin_at(self, step: int) -> None:
        """Says with which step a training begins.

        If it is not the first one, the log tells readers that later records of an earlier, aborted
        training are void.
        """
        self._first_step = step

    def write(self, record: Record, model: ModelDescription) -> None:
        """Writes a record; warns at the first failure and writes nothing from then on.

        Args:
            record: What was measured.
            model: The model that it speaks of, written before the first of its records.
        """
        if self._file is None:
            return
        try:
            is_new = model is not self._model
            if self._model is None and self._first_step > 0:
                self._append(events.resumption_event(self._first_step, record.wall_time))
            if is_new:
                self._append(events.model_event(model, record.step, record.wall_time))
                self._model = model
            self._append(events.record_event(record, model, self._kinds, is_new))
            # A file deleted under an open descriptor takes every write without an error.
            if not tf.io.gfile.exists(self.path):
                raise FileNotFoundError("The event file is gone")
        except Exception as error:  # noqa: BLE001 - a record too large, no memory left, ...
            self._give_up(record.step, error)

    def close(self) -> None:
        """Closes the file. Nothing can be written afterwards; closing again does nothing."""
        file, self._file = self._file, None
        if file is None:
            return
        # Every event was flushed when it was written, or has been warned of.
        with contextlib.suppress(tf.errors.OpError, OSError):
            file.close()

    def _append(self, event: event_pb2.Event) -> None:
        self._file.write(event.SerializeToString())
        self._file.flush()

    def _give_up(self, step: int, error: Exception) -> None:
        self.close()
        warnings.warn(
            f"GradientMonitor stopped writing to {self.path} at step {step}: {_reason(error)}. "
            "Training goes on, and `monitor.records` goes on too.",
            stacklevel=2,
        )


def _absolute(log_dir: str) -> str:
    # The process may go elsewhere while it trains. What has a scheme, like "gs://", stays.
    return log_dir if "://" in log_dir else os.path.abspath(log_dir)


def _file_name() -> str:
    # TensorBoard knows an event file by "tfevents" in its name, and reads the files of a run in
    # the order of their names. Host, process and a serial number tell writers apart.
    serial = next(_serial_numbers)
    host = platform.node()
    return f"events.out.tfevents.{int(time.time())}.{host}.{os.getpid()}.{serial:06d}.v2"


def _reason(error: Exception) -> str:
    if isinstance(error, tf.errors.OpError):
        return str(error.message).rstrip(".")
    return str(getattr(error, "strerror", None) or error).rstrip(".")

"""Writes records to an event file, without ever failing the training run.

A file that can't be opened raises an error before training begins. After that, a disk failure gives
one warning, and nothing more is written. `charts.py` builds the events, and `reader.py` reads them
back.

On a local disk every record is flushed as soon as it is written, and `background.py` bounds the
delay. On an object store each flush uploads the whole file again, so it is flushed only every two
minutes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tensorboard.compat.proto import event_pb2
from tensorboard.summary.writer import event_file_writer

from vg_keras.cost import Cost
from vg_keras.log import charts
from vg_keras.log.chart_names import chart_names
from vg_keras.log.chart_rhythm import MAX_HISTOGRAMS, MAX_SCALARS, MAX_TEXTS, Thinning
from vg_keras.log.flow_charts import GROWTH, GradientFlow
from vg_keras.log.storage import absolute, file_errors, is_remote, reason_of, storage_of, unwritable
from vg_keras.log.tfrecord import framed
from vg_keras.quantities import CHARTS
from vg_keras.ranking import NormHistory
from vg_keras.record import Record, Training
from vg_keras.rules.diagnosis import Diagnosis
from vg_keras.rules.verdict import Verdict

SECONDS_BETWEEN_FLUSHES = 120
"""For object stores, as in `tf.summary.create_file_writer`: flushing after each of 1,000 records of
200 kB would upload 100 GB."""

_serial_numbers = itertools.count()


class RecordWriter:
    """The event file of a training run, created when its first record is written.

    Args:
        run_directory: Directory of the file, local or any that `tf.io.gfile` can write to. It is
            created if it does not exist.
        kinds: Which charts to write, a subset of `charts.KINDS`.
        warn: Called with a message for the user.

    Raises:
        ValueError: If no event file can be created in `run_directory`.

    Attributes:
        path: The path of the file.
        num_bytes: Number of bytes written so far.
    """

    def __init__(
        self,
        run_directory: str,
        kinds: Collection[str] = charts.DEFAULT_KINDS,
        warn: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.num_bytes = 0
        self._warn = warn
        self._kinds = kinds
        self._flow: GradientFlow | None = None
        self._names: Mapping[str, str] = {}
        self._file: Any = None
        self._is_closed = False
        self._next_flush = 0.0
        self._last_step = 0
        self._num_records, self._next_verdict = 0, 1
        self._written_codes: set[str] = set()
        self._described: set[str] = set()
        of_record = [kind for kind in kinds if kind not in charts.FLOW_KINDS]
        self._thinnings = {kind: Thinning(_num_all(kind)) for kind in of_record}
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

    def write(
        self,
        record: Record,
        training: Training,
        has_histograms: bool = True,
        diagnoses: tuple[Diagnosis, ...] = (),
        verdict: Callable[[], Verdict | None] = lambda: None,
    ) -> None:
        """Writes a record. Warns on the first failure and writes nothing after that.

        Charts that TensorBoard would not keep are not written.

        Args:
            record: The record.
            training: The training run that all records of the file belong to. Its description is
                written before the first record; its own records and cost are not written.
            has_histograms: Whether to write the histograms of the record.
            diagnoses: All diagnoses of the training run so far.
            verdict: Returns the verdict so far, or None if no rules are applied. It is called and
                written if there is a new diagnosis or the number of records has tripled.
        """
        if self._is_closed:
            return
        try:
            if self._file is None:
                self._open()
                with contextlib.suppress(Exception):  # W&B may raise anything
                    _announce(os.path.dirname(self.path))
            flow = self._flow or self._begin(training, record)
            kinds = self._kinds_of_next(has_histograms)
            described = [kind for kind in kinds if kind not in self._described]
            event = charts.record_event(
                record, training.model, kinds, described, self._history, self._names
            )
            event.summary.value.extend(flow.add(record, diagnoses))
            self._append(event)
            if self._is_verdict_due(diagnoses) and (so_far := verdict()) is not None:
                self._append(charts.verdict_event(so_far, record.step, record.wall_time))
            self._history.add(record)
            self._described.update(kinds)
            self._last_step = record.step
            self._flush()
        except Exception as error:  # noqa: BLE001 - the record is too large, out of memory, ...
            self._give_up(record.step, error)

    def _begin(self, training: Training, record: Record) -> GradientFlow:
        self._names = chart_names(training.model)
        self._flow = GradientFlow(training, self._kinds, self._names, self._warn)
        if training.resumed_from:
            self._append(charts.resumption_event(training.resumed_from, record.wall_time))
        event = charts.training_event(training, record.step, record.wall_time, self._kinds)
        self._append(event)
        return self._flow

    def _is_verdict_due(self, diagnoses: tuple[Diagnosis, ...]) -> bool:
        self._num_records += 1
        codes = {diagnosis.code for diagnosis in diagnoses}
        is_due = self._num_records >= self._next_verdict or codes != self._written_codes
        if is_due:
            self._next_verdict, self._written_codes = GROWTH * self._num_records, codes
        return is_due

    def _kinds_of_next(self, has_histograms: bool) -> list[str]:
        """Returns the kinds of charts to write with the next record."""
        wanted = [k for k in self._thinnings if has_histograms or not _is_histogram(k)]
        return [kind for kind in wanted if self._thinnings[kind].takes()]

    def finish(
        self,
        diagnoses: tuple[Diagnosis, ...],
        num_records: int,
        verdict: Verdict | None = None,
    ) -> None:
        """Writes the verdict on the training run, if there are records in the file.

        Args:
            diagnoses: All its diagnoses.
            num_records: Number of its records.
            verdict: The verdict, or None if no rules are applied.
        """
        if self._file is None or self._flow is None:
            return
        try:
            if values := self._flow.finish(diagnoses, num_records):
                event = event_pb2.Event(step=self._last_step, wall_time=time.time())
                event.summary.value.extend(values)
                self._append(event)
            if verdict is not None:
                self._append(charts.verdict_event(verdict, self._last_step, time.time()))
            self._flush()
        except Exception as error:  # noqa: BLE001 - as for a record
            self._give_up(self._last_step, error)

    def write_cost(self, cost: Cost) -> None:
        """Writes the cost of recording, if there are records in the file."""
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
            # Every event of a local file was flushed when written, or the user has been warned.
            if is_remote(self.path):
                self._warn(
                    f"GradientMonitor could not write the last records to {self.path}: "
                    f"{reason_of(error)}. They are still in `monitor.records`."
                )

    def _open(self) -> None:
        """Creates the file, with the event that identifies it as an event file."""
        self._storage.make_directory(os.path.dirname(self.path))
        self._file = self._storage.open(self.path, "wb")
        # A `fit` that is interrupted does not close it.
        weakref.finalize(self, _close_quietly, self._file)
        self._append(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2"))
        self._file.flush()

    def _append(self, event: event_pb2.Event) -> None:
        data = framed(event.SerializeToString())
        self._file.write(data)
        self.num_bytes += len(data)

    def _flush(self) -> None:
        """Flushes the file, and checks that it still exists."""
        now = time.monotonic()
        if is_remote(self.path) and now < self._next_flush:
            return
        self._next_flush = now + SECONDS_BETWEEN_FLUSHES
        self._file.flush()
        # Writing to a deleted file whose descriptor is open raises no error.
        if not self._storage.is_file(self.path):
            raise FileNotFoundError("The event file is gone")

    def _give_up(self, step: int, error: Exception) -> None:
        file, self._file = self._file, None
        self._is_closed = True
        if file is not None:
            _close_quietly(file)
        self._warn(
            f"GradientMonitor stopped writing to {self.path} at step {step}: {reason_of(error)}. "
            "Training goes on, and records are still kept in `monitor.records`."
        )


def _close_quietly(file: Any) -> None:
    with contextlib.suppress(*file_errors()):
        file.close()


def _announce(run_directory: str) -> None:
    """Announces a run directory to W&B.

    With `sync_tensorboard=True`, W&B watches directories in which TensorBoard's `EventFileWriter`
    was opened. This creates an event file without records.
    """
    if "wandb" in sys.modules:
        event_file_writer.EventFileWriter(run_directory).close()  # patched by W&B


def _is_histogram(kind: str) -> bool:
    return CHARTS[kind][1].form.endswith("histogram")


def _num_all(kind: str) -> int:
    """Returns the number of records with a chart of this kind before thinning begins."""
    if _is_histogram(kind):
        return MAX_HISTOGRAMS
    return MAX_TEXTS if CHARTS[kind][1].form == "text" else MAX_SCALARS


def _file_name() -> str:
    # TensorBoard recognizes event files by "tfevents" in their names, and reads the files of a run
    # in the order of their names. Host, process and serial number distinguish writers.
    serial = next(_serial_numbers)
    host = platform.node()
    return f"events.out.tfevents.{int(time.time())}.{host}.{os.getpid()}.{serial:06d}.v2"

"""Passes records to their logs, and warns once about what is missing.

What `fit` and a loop written by hand have in common; when a step is due is not known here.
"""

from __future__ import annotations

import copy
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from vg_keras import metadata
from vg_keras.background import Background
from vg_keras.capture.observer import Observer
from vg_keras.capture.probe_pass import ProbePass
from vg_keras.capture.record_maker import RecordMaker
from vg_keras.capture.table import Rows
from vg_keras.chart_rhythm import HistogramRhythm
from vg_keras.cost import Cost
from vg_keras.probe import Probe
from vg_keras.record import ModelDescription, Record
from vg_keras.run_directory import directory_of_copy, suffix_of_worker
from vg_keras.run_log import RunLog

RECORDS_THAT_SHOW_ALL = {True: 3, False: 100}
"""Records after which anything unseen counts as missing, by whether `fit` runs a traced step. In
eager steps and custom loops, the parts of a GAN may be trained unequally often."""


class Recorder:
    """Takes the records of one model's steps to their logs.

    Args:
        log_dir: Directory of the TensorBoard log, or None to write nothing.
        kinds: Which charts to write, out of `events.KINDS`.
        probe: The probe, or None.
        histograms: Says with which records histograms are written.
    """

    def __init__(
        self,
        log_dir: str | None,
        kinds: Collection[str],
        probe: Probe | None,
        histograms: HistogramRhythm,
    ) -> None:
        self.log_dir = log_dir
        self.histograms = histograms
        self.note_seconds: Callable[[float], None] = _ignored
        """Is told what another thread has spent on records, and called by that."""
        self.num_records = 0
        """Number of records since `begin_anew`."""
        self._background = Background()
        self._notices: deque[str] = deque()
        self.is_copy = False
        self.log = RunLog(metadata.RUN_NAME, kinds)
        self.probe_log = RunLog(probe.name, kinds) if probe else None
        self._probe_pass: ProbePass | None = None
        self._warnings: set[str] = set()
        self._makers: weakref.WeakKeyDictionary[Observer, RecordMaker] = weakref.WeakKeyDictionary()
        self._received_from: Observer | None = None
        self._num_in_training = 0
        self._has_failed = False

    @property
    def _logs(self) -> list[RunLog]:
        return [log for log in (self.log, self.probe_log) if log is not None]

    def begin_anew(self) -> None:
        """Forgets the records of another model."""
        self._background.wait()
        self.num_records = 0
        self._probe_pass = None
        self._makers.clear()
        for log in self._logs:
            log.clear()

    @property
    def num_bytes(self) -> int:
        """Bytes written to event files since `begin_anew`."""
        self._background.wait()
        return sum(log.num_bytes for log in self._logs)

    @property
    def records(self) -> list[Record]:
        """The records, in the order of the steps."""
        self._background.wait()
        return self.log.records

    @property
    def probe_records(self) -> list[Record]:
        """Those of the probe."""
        self._background.wait()
        return self.probe_log.records if self.probe_log else []

    @property
    def is_probing(self) -> bool:
        """Whether a probe pass has been set."""
        return self._probe_pass is not None

    def probe_by(self, probe_pass: ProbePass) -> None:
        """Sets the probe pass."""
        self._probe_pass = probe_pass

    def open(self, strategy: tf.distribute.Strategy) -> None:
        """Prepares to write event files.

        Args:
            strategy: The strategy that the model is trained under.

        Raises:
            ValueError: If one can't be written.
        """
        if self.log_dir is None:
            return
        if self.is_copy:
            self.log_dir = directory_of_copy(self.log_dir)
            self.is_copy = False
        try:
            for log in self._logs:
                log.open(self.log_dir, suffix_of_worker(strategy), self._notices.append)
        except ValueError:
            self.close()
            raise

    def resume_from(self, step: int) -> None:
        """Says at which step a training run goes on that may have been further before."""
        self._background.wait()
        for log in self._logs:
            log.resume_from(step)

    def wait(self) -> None:
        """Returns when all records are in the logs, and warns if that has failed."""
        self._background.wait()
        self._give_notice()

    def close(self, cost: Cost | None = None) -> None:
        """Closes the event files, and warns of whatever no record has shown.

        Args:
            cost: What the monitor has cost, to be written to the log.
        """
        self._background.close()
        with self._never_failing():
            if self._num_in_training:
                self._warn_of_absences(is_final=True)
            else:
                self.warn_of_nothing()
        self._received_from, self._num_in_training, self._has_failed = None, 0, False
        if cost is not None:
            self.log.write_cost(cost)
        for log in self._logs:
            log.close()
        self._give_notice()

    def run_probe(self, step: int) -> None:
        """Takes the gradients of the probe before a step that is recorded.

        Args:
            step: The number of the step.

        Raises:
            ValueError: The model can't take the probe at all.
        """
        if self._probe_pass is None or self.probe_log is None:
            return
        try:
            self._probe_pass.run(step)
        except Exception as error:
            if not self.probe_records:
                raise ValueError(
                    "`probe` must be a batch that the model takes and has a loss for. "
                    f"Received one with which it fails: {error}"
                ) from error
            self._probe_pass = None
            self.warn_once(f"The probe failed and is not taken any more: {error!r}.")
            return

    def receive(self, observer: Observer) -> int | None:
        """Takes what an execution has left in the observer.

        Returns:
            The last step of which there is a record, or None if there is none.
        """
        with self._never_failing():
            self._received_from = observer
            self._give_notice()
            self._warn_of_failures(observer)
            has_histograms = self.histograms.is_next
            steps = self._add(observer, self.log, has_histograms)
            self._num_in_training += len(steps)
            self.num_records += len(steps)
            if steps:
                self.histograms.pass_on()
                self._add_probe(has_histograms)
                self._warn_of_absences(
                    is_final=self._num_in_training >= RECORDS_THAT_SHOW_ALL[observer.was_traced]
                )
                return steps[-1]
        return None

    def warn_of_nothing(self) -> None:
        """Says why the steps that were to be recorded have left no record."""
        observer = self._received_from
        if observer is None:
            return
        if observer.was_handed_nothing:
            self.warn_once(
                f"The train step of the model {observer.model_name!r} handed no gradient of a "
                "monitored variable to the `apply` of a Keras optimizer: nothing is recorded. "
                "What a concrete function or a SavedModel runs can't be seen."
            )
        elif not (self._num_in_training or self._has_failed or observer.failures):
            self.warn_once(
                f"In the steps of the model {observer.model_name!r} that were to be recorded, no "
                "optimizer was applied to a monitored variable: nothing is recorded."
            )

    def _warn_of_absences(self, is_final: bool) -> None:
        if self._received_from is not None:
            for sentence in self._received_from.absences(is_final):
                self.warn_once(sentence)

    @contextmanager
    def _never_failing(self) -> Iterator[None]:
        """Turns an error of the monitor itself into one warning: the training goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours
            self._has_failed = True
            self.warn_once(_failure(error))

    def _add_probe(self, has_histograms: bool) -> None:
        """Adds what the probe has shown before a step of which there is a record."""
        if self._probe_pass is not None and self.probe_log is not None:
            self._warn_of_failures(self._probe_pass.observer)
            self._add(self._probe_pass.observer, self.probe_log, has_histograms)

    def _warn_of_failures(self, observer: Observer) -> None:
        for sentence in observer.failures:
            self.warn_once(sentence)

    def _add(self, observer: Observer, log: RunLog, has_histograms: bool) -> list[int]:
        """Adds what an observer has to a log; returns the numbers of the steps."""
        kept = observer.read()
        if not kept:
            return []
        if observer not in self._makers:
            self._makers[observer] = observer.record_maker()
        if observer.description is not None:
            # Another thread turns rows into records and charts: that takes longer than reading
            # them, and keeps no device waiting.
            self._background.run(
                self._finish,
                self._makers[observer],
                kept,
                frozenset(observer.without_gradient),
                time.time(),
                observer.description,
                log,
                has_histograms,
                done=self.note_seconds,
            )
        return [replicas[0].step for replicas in kept]

    def _finish(
        self,
        maker: RecordMaker,
        kept: Sequence[Sequence[Rows]],
        without_gradient: Collection[str],
        wall_time: float,
        description: ModelDescription,
        log: RunLog,
        has_histograms: bool,
    ) -> None:
        """Makes records of what an observer has kept, and adds them to a log."""
        try:
            for replicas in kept:
                record = maker.record(replicas, without_gradient, wall_time)
                log.add(record, description, has_histograms)
                has_histograms = has_histograms and self.histograms.are_in_all
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours
            self._has_failed = True
            self._notices.append(_failure(error))

    def _give_notice(self) -> None:
        """Warns of what another thread has found."""
        while self._notices:
            self.warn_once(self._notices.popleft())

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy takes over: the records, and not what belongs to the model."""
        self._background.wait()
        own = copy.copy(self.log), copy.copy(self.probe_log)
        logs = dict(zip(("log", "probe_log"), own, strict=True))
        forgotten: dict[str, Any] = {
            **dict.fromkeys(("_probe_pass", "_received_from", "_makers")),
            "num_records": 0,
            "_num_in_training": 0,
            "note_seconds": None,
            "_has_failed": False,
            "_warnings": set(),
            "_background": Background(),
            "_notices": deque(),
        }
        return self.__dict__ | logs | forgotten | {"is_copy": True}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Makes a copy."""
        self.__dict__.update(state)
        self._makers = weakref.WeakKeyDictionary()
        self.histograms = copy.copy(self.histograms)
        self.note_seconds = _ignored

    def warn_once(self, message: str) -> None:
        """Warns, unless the same warning was given before."""
        if message not in self._warnings:
            self._warnings.add(message)
            warnings.warn(message, stacklevel=2)


def _failure(error: Exception) -> str:
    return f"GradientMonitor could not take the record of a step: {error!r}. Training goes on."


def _ignored(seconds: float) -> None:
    pass

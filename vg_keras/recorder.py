"""Passes records to their logs, and warns once about what is missing.

What `fit` and a loop written by hand have in common; when a step is due is not known here.
"""

from __future__ import annotations

import copy
import warnings
import weakref
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from vg_keras import metadata
from vg_keras.capture.observer import Observer
from vg_keras.capture.probe_pass import ProbePass
from vg_keras.capture.record_maker import RecordMaker
from vg_keras.probe import Probe
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
    """

    def __init__(self, log_dir: str | None, kinds: Collection[str], probe: Probe | None) -> None:
        self.log_dir = log_dir
        self.is_copy = False
        self.log = RunLog(metadata.RUN_NAME, kinds)
        self.probe_log = RunLog(probe.name, kinds) if probe else None
        self._probe_pass: ProbePass | None = None
        self._warnings: set[str] = set()
        self._makers: weakref.WeakKeyDictionary[Observer, RecordMaker] = weakref.WeakKeyDictionary()
        self._received_from: Observer | None = None
        self._num_records = 0
        self._has_failed = False

    @property
    def _logs(self) -> list[RunLog]:
        return [log for log in (self.log, self.probe_log) if log is not None]

    def begin_anew(self) -> None:
        """Forgets the records of another model."""
        self._probe_pass = None
        self._makers.clear()
        for log in self._logs:
            log.clear()

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
                log.open(self.log_dir, suffix_of_worker(strategy))
        except ValueError:
            self.close()
            raise

    def resume_from(self, step: int) -> None:
        """Says at which step a training run goes on that may have been further before."""
        for log in self._logs:
            log.resume_from(step)

    def close(self) -> None:
        """Closes the event files, and warns of whatever no record has shown."""
        with self._never_failing():
            if self._num_records:
                self._warn_of_absences(is_final=True)
            else:
                self.warn_of_nothing()
        self._received_from, self._num_records, self._has_failed = None, 0, False
        for log in self._logs:
            log.close()

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
            if not self.probe_log.records:
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
            self._warn_of_failures(observer)
            steps = self._add(observer, self.log)
            self._num_records += len(steps)
            if steps:
                self._add_probe()
                self._warn_of_absences(
                    is_final=self._num_records >= RECORDS_THAT_SHOW_ALL[observer.was_traced]
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
        elif not (self._num_records or self._has_failed or observer.failures):
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
            self.warn_once(
                f"GradientMonitor could not take the record of a step: {error!r}. Training goes on."
            )

    def _add_probe(self) -> None:
        """Adds what the probe has shown before a step of which there is a record."""
        if self._probe_pass is not None and self.probe_log is not None:
            self._warn_of_failures(self._probe_pass.observer)
            self._add(self._probe_pass.observer, self.probe_log)

    def _warn_of_failures(self, observer: Observer) -> None:
        for sentence in observer.failures:
            self.warn_once(sentence)

    def _add(self, observer: Observer, log: RunLog) -> list[int]:
        """Adds what an observer has to a log; returns the numbers of the steps."""
        kept = observer.read()
        if kept and observer not in self._makers:
            self._makers[observer] = observer.record_maker()
        without_gradient = observer.without_gradient
        records = [self._makers[observer].record(rows, without_gradient) for rows in kept]
        for record in records:
            if observer.description is not None:
                log.add(record, observer.description)
        return [record.step for record in records]

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy takes over: the records, and not what belongs to the model."""
        own = copy.copy(self.log), copy.copy(self.probe_log)
        logs = dict(zip(("log", "probe_log"), own, strict=True))
        forgotten: dict[str, Any] = {
            **dict.fromkeys(("_probe_pass", "_received_from", "_makers")),
            "_num_records": 0,
            "_has_failed": False,
            "_warnings": set(),
        }
        return self.__dict__ | logs | forgotten | {"is_copy": True}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Makes a copy."""
        self.__dict__.update(state)
        self._makers = weakref.WeakKeyDictionary()

    def warn_once(self, message: str) -> None:
        """Warns, unless the same warning was given before."""
        if message not in self._warnings:
            self._warnings.add(message)
            warnings.warn(message, stacklevel=2)

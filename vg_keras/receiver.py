"""Turns the observations of a step into records, and passes them to their logs.

Any failure here is a single warning and never ends a training run. `recording.py` decides when a
step is due.
"""

from __future__ import annotations

import dataclasses
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from vg_keras.alarm import Alarm
from vg_keras.background import Background
from vg_keras.capture.decode import Decoder, Observation
from vg_keras.capture.devices import suffix_of_worker
from vg_keras.capture.observer import Observer
from vg_keras.capture.probe_pass import ProbePass
from vg_keras.cost import Cost
from vg_keras.log.chart_rhythm import HistogramRhythm
from vg_keras.log.format import RUN_NAME
from vg_keras.log.storage import directory_of_copy
from vg_keras.notices import Notices
from vg_keras.probe import Probe
from vg_keras.record import Training
from vg_keras.rules.examination import Examination
from vg_keras.training_log import Beginning, TrainingLog

RECORDS_THAT_SHOW_ALL = {True: 3, False: 100}
"""Records after which anything not yet observed counts as missing, by whether `fit` runs a traced
step. In eager steps and custom loops, the parts of a GAN may be trained at different rates."""

RECORDS_WITH_UNIT_SPREAD = 3
"""Number of records of a training run with `unit_spread`: units that differ at all differ soon, and
to read all kernels takes as long as a copy of the weights."""


class Receiver:
    """Passes the records of one model's steps to their logs.

    Args:
        log_dir: Directory of the TensorBoard log, or None to write nothing.
        kinds: Which charts to write, a subset of `charts.KINDS`.
        probe: The probe, or None.
        histograms: Decides which records have histograms.
        examine: Returns what looks for problems in the records of a training run.
        alarm: Tells the user about them.

    Attributes:
        log: The log of the training batches.
        probe_log: The log of the probe, or None.
        num_records: Number of records since `reset`.
    """

    def __init__(
        self,
        log_dir: str | None,
        kinds: Collection[str],
        probe: Probe | None,
        histograms: HistogramRhythm,
        examine: Callable[[Training], Examination] | None,
        alarm: Alarm,
    ) -> None:
        self.log_dir = log_dir
        self.histograms = histograms
        self.note_seconds: Callable[[float], None] = _ignored
        """Called by the background thread with the seconds that it spent on a record."""
        self.num_records = 0
        self.is_copy = False
        self.alarm = alarm
        self.log = TrainingLog(RUN_NAME, kinds, examine)
        self.log.on_problem = alarm.post
        self.probe_log = TrainingLog(probe.name, kinds, examine) if probe else None
        self.notices = Notices()
        self._background = Background()
        self._probe_pass: ProbePass | None = None
        self._decoders: weakref.WeakKeyDictionary[Observer, Decoder] = weakref.WeakKeyDictionary()
        self._received_from: Observer | None = None
        self._num_in_training = 0
        self._has_failed = False

    @property
    def logs(self) -> list[TrainingLog]:
        """The logs, with all records received so far."""
        self._background.wait()
        return [log for log in (self.log, self.probe_log) if log is not None]

    def reset(self) -> None:
        """Prepares for another model."""
        self.num_records = 0
        self._probe_pass = None
        self._decoders.clear()
        for log in self.logs:
            log.reset()

    @property
    def num_bytes(self) -> int:
        """Bytes written to event files since `reset`."""
        return sum(log.num_bytes for log in self.logs)

    @property
    def is_probing(self) -> bool:
        """Whether there is a probe pass."""
        return self._probe_pass is not None

    def probe_by(self, probe_pass: ProbePass) -> None:
        """Sets the probe pass."""
        self._probe_pass = probe_pass

    def open(self, strategy: tf.distribute.Strategy) -> None:
        """Prepares to write event files.

        Args:
            strategy: The distribution strategy of the model.

        Raises:
            ValueError: If no event file can be created.
        """
        if self.log_dir is None:
            return
        if self.is_copy:
            self.log_dir = directory_of_copy(self.log_dir)
            self.is_copy = False
        try:
            for log in self.logs:
                log.open(self.log_dir, suffix_of_worker(strategy), self.notices.post)
        except ValueError:
            self.close()
            raise

    def begin(self, beginning: Beginning) -> None:
        """Begins a training run, or continues the one with the same id."""
        self._background.wait()
        self.log.begin(beginning)
        if self.probe_log is not None and self._probe_pass is not None:
            quantities = self._probe_pass.choice.quantities
            settings = dataclasses.replace(beginning.settings, quantities=quantities)
            self.probe_log.begin(dataclasses.replace(beginning, settings=settings))

    def wait(self) -> None:
        """Waits until all records are in the logs, and warns if that failed."""
        self._background.wait()
        self.notices.give()

    def close(self, cost: Cost | None = None) -> None:
        """Closes the event files, and warns of anything that no record contained.

        Args:
            cost: The cost of recording, to be stored with the training run.
        """
        self._background.close()
        with self._never_failing():
            if self._num_in_training:
                self._warn_of_absences(is_final=True)
            else:
                self.warn_of_nothing()
        self._received_from, self._num_in_training, self._has_failed = None, 0, False
        self.log.close(cost)
        if self.probe_log is not None:
            self.probe_log.close()
        self.notices.give()

    def run_probe(self, step: int) -> None:
        """Computes the gradients of the probe, before a recorded step.

        Args:
            step: The number of the step.

        Raises:
            ValueError: If the model fails on the probe the first time.
        """
        if self._probe_pass is None or self.probe_log is None:
            return
        try:
            self._probe_pass.run(step)
        except Exception as error:
            self._background.wait()
            if not self.probe_log.records:
                raise ValueError(
                    "`probe` must be a batch that the model can compute a loss for. "
                    f"Received a batch on which it fails: {error}"
                ) from error
            self._probe_pass = None
            self.notices.warn_once(f"The probe failed and is disabled from now on: {error!r}.")

    def receive(self, observer: Observer) -> int | None:
        """Takes the observations of an execution.

        Returns:
            The last recorded step, or None if no step was recorded.
        """
        steps: list[int] = []
        with self._never_failing():
            self._received_from = observer
            self.notices.give()
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
        return steps[-1] if steps else None

    def warn_of_nothing(self) -> None:
        """Warns why the due steps left no record."""
        observer = self._received_from
        if observer is None:
            return
        if observer.has_seen_no_gradient:
            self.notices.warn_once(
                f"The train step of the model {observer.model_name!r} passed no gradient of a "
                "monitored variable to the `apply` of a Keras optimizer: nothing is recorded. "
                "What a concrete function or a SavedModel runs can't be seen."
            )
        elif not (self._num_in_training or self._has_failed or observer.failures):
            self.notices.warn_once(
                f"In the due steps of the model {observer.model_name!r}, no optimizer was applied "
                "to a monitored variable: nothing is recorded."
            )

    def _warn_of_absences(self, is_final: bool) -> None:
        if self._received_from is not None:
            for sentence in self._received_from.absences(is_final):
                self.notices.warn_once(sentence)

    @contextmanager
    def _never_failing(self) -> Iterator[None]:
        """Turns an error of the monitor itself into one warning, so that training goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any error here is ours
            self._has_failed = True
            self.notices.warn_once(_failure(error))

    def _add_probe(self, has_histograms: bool) -> None:
        """Adds the record of the probe that belongs to a recorded step."""
        if self._probe_pass is not None and self.probe_log is not None:
            self._warn_of_failures(self._probe_pass.observer)
            self._add(self._probe_pass.observer, self.probe_log, has_histograms)

    def _warn_of_failures(self, observer: Observer) -> None:
        for sentence in observer.failures:
            self.notices.warn_once(sentence)

    def _add(self, observer: Observer, log: TrainingLog, has_histograms: bool) -> list[int]:
        """Adds the observations of an observer to a log; returns the step numbers."""
        kept = observer.read()
        if not kept:
            return []
        if observer not in self._decoders:
            self._decoders[observer] = observer.decoder()
        is_early = self._num_in_training < RECORDS_WITH_UNIT_SPREAD
        observation = Observation(
            self._decoders[observer],
            kept,
            frozenset(observer.without_gradient),
            time.time(),
            observer.unit_spreads() if is_early and log is self.log else {},
        )
        # Another thread turns rows into records and charts: this takes longer than reading them,
        # and no device should wait for it.
        self._background.run(self._finish, observation, log, has_histograms, done=self.note_seconds)
        return observation.steps

    def _finish(self, observation: Observation, log: TrainingLog, has_histograms: bool) -> None:
        """Adds the records of an observation to a log. Runs in the background thread."""
        try:
            for record in observation.records():
                log.add(record, observation.model, has_histograms)
                has_histograms = has_histograms and self.histograms.are_in_all
        except Exception as error:  # noqa: BLE001 - any error here is ours
            self._has_failed = True
            self.notices.post(_failure(error))

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy keeps: the settings and the records, but no model."""
        log, *probe_logs = [log.copied() for log in self.logs]
        return {
            "log_dir": self.log_dir,
            "on_problem": self.alarm.on_problem,
            "log": log,
            "probe_log": probe_logs[0] if probe_logs else None,
            "histograms": self.histograms.copied(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a copy."""
        alarm = Alarm(state["on_problem"])
        Receiver.__init__(self, state["log_dir"], (), None, state["histograms"], None, alarm)
        self.log, self.probe_log = state["log"], state["probe_log"]
        self.log.on_problem = alarm.post
        self.is_copy = True


def _failure(error: Exception) -> str:
    return f"GradientMonitor could not record a step: {error!r}. Training goes on."


def _ignored(seconds: float) -> None:
    pass

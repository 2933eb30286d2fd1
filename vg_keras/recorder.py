"""Takes the records of the train steps and of a probe to their logs, and says once what is missing.

What `fit` and a loop written by hand have in common; when a step is due is not known here.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from vg_keras import metadata
from vg_keras.capture.observer import Observer
from vg_keras.capture.probe_pass import ProbePass
from vg_keras.probe import Probe
from vg_keras.run_log import RunLog

RECORDS_THAT_SHOW_ALL = 3
"""Records after which what has not been seen counts as missing: the parts of a GAN need not all be
trained in the first step."""


class Recorder:
    """Takes the records of one model's steps to their logs.

    Args:
        log_dir: Directory of the TensorBoard log, or None to write nothing.
        kinds: Which charts to write, out of `events.KINDS`.
        probe: The probe, or None.
    """

    def __init__(self, log_dir: str | None, kinds: Collection[str], probe: Probe | None) -> None:
        self.log = RunLog(log_dir, metadata.RUN_NAME, kinds)
        self.probe_log = RunLog(log_dir, probe.name, kinds) if probe else None
        self._logs = [log for log in (self.log, self.probe_log) if log is not None]
        self._probe_pass: ProbePass | None = None
        self._warnings: set[str] = set()
        self._received_from: Observer | None = None
        self._num_records = 0

    def begin_anew(self) -> None:
        """Forgets the records of another model."""
        self._probe_pass = None
        for log in self._logs:
            log.records = []

    def probe_by(self, probe_pass: ProbePass) -> None:
        """Takes what probes the model as it is now."""
        self._probe_pass = probe_pass

    def open(self) -> None:
        """Opens the event files.

        Raises:
            ValueError: One can't be written.
        """
        try:
            for log in self._logs:
                log.open()
        except ValueError:
            self.close()
            raise

    def begin_at(self, step: int) -> None:
        """Says with which step the training begins."""
        for log in self._logs:
            log.begin_at(step)

    def close(self) -> None:
        """Closes the event files, and says what no record has shown."""
        if self._num_records:
            with self._never_failing():
                self._warn_of_absences(is_final=True)
        self._received_from, self._num_records = None, 0
        for log in self._logs:
            log.close()

    def run_probe(self) -> None:
        """Takes the gradients of the probe before a step that is recorded.

        Raises:
            ValueError: The model can't take the probe at all.
        """
        if self._probe_pass is None or self.probe_log is None:
            return
        try:
            self._probe_pass.run()
        except Exception as error:
            if not self.probe_log.records:
                raise ValueError(
                    "`probe` must be a batch that the model takes and has a loss for. "
                    f"Received one with which it fails: {error}"
                ) from error
            self._probe_pass = None
            self.warn_once(f"The probe failed and is not taken any more: {error!r}.")
            return
        with self._never_failing():
            _add(self._probe_pass.observer, self.probe_log)

    def receive(self, observer: Observer) -> None:
        """Takes what an execution has left in the observer."""
        with self._never_failing():
            self._received_from = observer
            num_records = _add(observer, self.log)
            self._num_records += num_records
            if not num_records and observer.keeps_every_step and observer.was_handed_nothing:
                self.warn_once(
                    f"The train step of the model {observer.model_name!r} handed no gradient of a "
                    "monitored variable to `optimizer.apply`: nothing is recorded. If it is a "
                    "tf.function, the monitor must be there when it is called for the first time."
                )
            elif num_records:
                self._warn_of_absences(is_final=self._num_records >= RECORDS_THAT_SHOW_ALL)

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
            self.warn_once(
                f"GradientMonitor could not take the record of a step: {error!r}. Training goes on."
            )

    def warn_once(self, message: str) -> None:
        """Warns, unless that has been said."""
        if message not in self._warnings:
            self._warnings.add(message)
            warnings.warn(message, stacklevel=2)


def _add(observer: Observer, log: RunLog) -> int:
    """Adds what an observer has to a log; returns how many records that were."""
    records = observer.read()
    for record in records:
        if observer.description is not None:
            log.add(record, observer.description)
    return len(records)

"""Takes the records of the train steps and of a probe to their logs, and says once what is missing.

What `fit` and a loop written by hand have in common; when a step is due is not known here.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

from vg_keras import metadata
from vg_keras.capture.observer import Observer
from vg_keras.capture.probe_pass import ProbePass
from vg_keras.probe import Probe
from vg_keras.run_log import RunLog


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
        """Closes the event files."""
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
        _add(self._probe_pass.observer, self.probe_log)

    def receive(self, observer: Observer) -> None:
        """Takes what an execution has left in the observer."""
        if not _add(observer, self.log) and observer.keeps_every_step:
            self.warn_once(
                f"The train step of the model {observer.model_name!r} handed no gradient of a "
                "monitored variable to `optimizer.apply`: nothing is recorded. If it is a "
                "tf.function, the monitor must be there when it is called for the first time."
            )
            return
        left_out = observer.left_out()
        if left_out:
            self.warn_once(
                f"The outputs of {_listed(left_out)} are not recorded: called in a loop or a "
                "function of their own (tf.while_loop, tf.function, tf.vectorized_map), they can't "
                "be seen from outside of it. Everything else is recorded."
            )

    def warn_once(self, message: str) -> None:
        """Warns, unless that has been said."""
        if message not in self._warnings:
            self._warnings.add(message)
            warnings.warn(message, stacklevel=2)


def _add(observer: Observer, log: RunLog) -> bool:
    """Adds what an observer has to a log; tells whether it has anything."""
    records = observer.read()
    for record in records:
        if observer.description is not None:
            log.add(record, observer.description)
    return bool(records)


def _listed(paths: Sequence[str], most: int = 5) -> str:
    names = ", ".join(paths[:most])
    return names if len(paths) <= most else f"{names} and {len(paths) - most} more layers"

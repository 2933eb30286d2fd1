"""Monitors a training loop that is written by hand: the steps of `GradientMonitor.watch`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from vg_keras.capture import claims
from vg_keras.capture.observer import Observer
from vg_keras.capture.slots import ArmedStep
from vg_keras.recorder import Recorder
from vg_keras.schedule import Schedule


class Watch:
    """Monitors the steps of a loop; made by `GradientMonitor.watch`.

    It is a context manager, and so is each step in it. A `tf.function` that trains must be traced,
    that is called for the first time, within a step: what it records becomes part of it.

    Args:
        observer: What measures the steps.
        slots: The slots of the observer.
        schedule: Says which steps are due.
        recorder: Takes the records.
        used: What no other thread may train with at the same time.
    """

    def __init__(
        self,
        observer: Observer,
        slots: ArmedStep,
        schedule: Schedule,
        recorder: Recorder,
        used: tuple[Any, ...] = (),
    ) -> None:
        self._observer = observer
        self._slots = slots
        self._schedule = schedule
        self._recorder = recorder
        self._used = used
        self._step = 0

    def __enter__(self) -> Self:
        """Opens the log."""
        claims.claim(*self._used)
        self._step = self._observer.step
        self._recorder.open()
        self._recorder.begin_at(self._step)
        self._schedule.begin(self._step)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the log."""
        self._recorder.close()
        claims.release(*self._used)

    def begin_epoch(self) -> None:
        """Says that an epoch begins, for `update_freq="epoch"`."""
        self._step = self._observer.step
        self._schedule.begin_epoch(self._step)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Runs one step of the loop, and records it if it is due.

        Raises:
            RuntimeError: If another thread trains the same model, or with the same monitor.
        """
        claims.check(*self._used)
        # Counted here and read only where a record is due: reading waits for the step before.
        is_due = self._schedule.due(self._step, 1) is not None
        self._step += 1
        if is_due:
            self._recorder.run_probe()
            self._observer.begin_execution(self._observer.step)
        try:
            with self._observer.watching():
                yield
        finally:
            if is_due:
                self._slots.disarm()
        if is_due:
            self._recorder.receive(self._observer)
            self._step = self._observer.step

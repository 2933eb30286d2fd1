"""Monitors a training loop that is written by hand: the steps of `GradientMonitor.watch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from vg_keras.capture.observer import Observer
from vg_keras.capture.slots import ArmedStep
from vg_keras.schedule import Schedule


class Watch:
    """Monitors the steps of a loop; made by `GradientMonitor.watch`.

    It is a context manager, and so is each step in it. A `tf.function` that trains must be traced,
    that is called for the first time, within a step: what it records becomes part of it.

    Args:
        observer: What measures the steps.
        slots: The slots of the observer.
        schedule: Says which steps are due.
        open_log: Is called on entering.
        close_log: Is called on leaving.
        before: Is called before a step that is due.
        receive: Is called after it.
    """

    def __init__(
        self,
        observer: Observer,
        slots: ArmedStep,
        schedule: Schedule,
        *,
        open_log: Callable[[], None],
        close_log: Callable[[], None],
        before: Callable[[], None],
        receive: Callable[[], None],
    ) -> None:
        self._observer = observer
        self._slots = slots
        self._schedule = schedule
        self._open, self._close = open_log, close_log
        self._before, self._receive = before, receive

    def __enter__(self) -> Self:
        """Opens the log."""
        self._open()
        self._schedule.begin(self._observer.step)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the log."""
        self._close()

    def begin_epoch(self) -> None:
        """Says that an epoch begins, for `update_freq="epoch"`."""
        self._schedule.begin_epoch(self._observer.step)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Runs one step of the loop, and records it if it is due."""
        number = self._observer.step
        is_due = self._schedule.due(number, 1) is not None
        if is_due:
            self._before()
            self._observer.begin_execution(number)
        try:
            with self._observer.watching():
                yield
        finally:
            if is_due:
                self._slots.disarm()
        if is_due:
            self._receive()

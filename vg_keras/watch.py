"""Monitors a training loop that is written by hand: the steps of `GradientMonitor.watch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any, Self

import keras

from vg_keras.capture import claims
from vg_keras.capture.observer import Observer
from vg_keras.cost import Cost
from vg_keras.due_executions import DueExecutions
from vg_keras.recorder import Recorder
from vg_keras.schedule import Schedule
from vg_keras.step_count import StepCount


class Watch:
    """Monitors the steps of a loop; made by `GradientMonitor.watch`.

    It is a context manager, and so is each step in it. A step that is not due runs as if there were
    no monitor.

    Args:
        observer: What measures the steps.
        count: Numbers the steps.
        schedule: Says which steps are due.
        due: Takes the steps that are due.
        recorder: Takes the records.
        cost: Returns what the monitor has cost.
        used: The monitor and the model, which no other thread may train with at the same time.
    """

    def __init__(
        self,
        observer: Observer,
        count: StepCount,
        schedule: Schedule,
        due: DueExecutions,
        recorder: Recorder,
        cost: Callable[[], Cost],
        used: tuple[Any, keras.Model],
    ) -> None:
        self._observer = observer
        self._count = count
        self._schedule = schedule
        self._due = due
        self._recorder = recorder
        self._cost = cost
        self._used = used
        self._batches = 1
        self._epoch = 0
        self.is_open = False

    @property
    def model(self) -> keras.Model:
        """The model that is watched."""
        return self._used[1]

    def __enter__(self) -> Self:
        """Prepares the log."""
        claims.claim(*self._used)
        self._recorder.open(self._used[1].distribute_strategy)
        if self._count.begin(self._observer.counts):
            self._recorder.resume_from(self._count.next)
        self.is_open = True
        self._schedule.begin_or_resume(self._count.next)
        self._due.reset(self._used[1].distribute_strategy)
        self._recorder.histograms.begin_epoch(self._epoch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the log."""
        self.is_open = False
        self._due.pause()
        self._count.end(self._observer.counts)
        self._recorder.close(self._cost())
        claims.release(*self._used)

    def begin_epoch(self) -> None:
        """Says that another epoch begins, for `update_freq="epoch"` and `histogram_freq`."""
        self._epoch += 1
        self._schedule.begin_epoch(self._count.next)
        self._recorder.histograms.begin_epoch(self._epoch)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Runs one step of the loop, and records it if it is due.

        Raises:
            RuntimeError: If another thread trains the same model, or with the same monitor, or the
                watch has not been entered.
        """
        if not self.is_open:
            raise RuntimeError("Enter the watch first: `with monitor.watch(model) as watch:`.")
        claims.check(*self._used)
        step = self._count.take(self._batches)
        is_due = self._schedule.due(step, self._batches) is not None
        try:
            if is_due:
                self._due.begin(step, self._batches, self._observer)
                self._due.run_probe()
                self._observer.begin_execution(step)
            else:
                self._due.pass_over()
            with self._observer.watching() if is_due else nullcontext():
                yield
        except BaseException:
            self._count.next = step  # it was not trained
            if is_due:
                self._schedule.settle(None, step)
            raise
        if is_due:
            self._due.receive(self._observer)
            if self._due.last is not None:  # one step here may train on many batches
                self._batches = max(self._due.last + 1 - step, 1)
                self._count.next = step + self._batches

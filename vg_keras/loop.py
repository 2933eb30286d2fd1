"""Monitors custom training loops: implements `GradientMonitor.watch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any, Self

import keras

from vg_keras.capture import thread_claims
from vg_keras.capture.observer import Observer
from vg_keras.recording import Recording


class Watch:
    """Monitors the steps of a loop. Created by `GradientMonitor.watch`.

    A context manager, as is each `step()` in it. A step that is not due runs as if there were no
    monitor.

    Args:
        user: The monitor, which no other thread may use at the same time.
        model: The model, which no other thread may train at the same time.
        optimizers: The optimizers that train the model.
        observer: Observes the steps.
        recording: The recording that the steps belong to.
        introduce: Called once the log is open, to tell the user where it is.
        tell_of_problems: Called after each step.

    Attributes:
        model: The watched model.
        is_open: Whether the loop is running.
    """

    def __init__(
        self,
        user: Any,
        model: keras.Model,
        optimizers: Sequence[keras.optimizers.Optimizer],
        observer: Observer,
        recording: Recording,
        introduce: Callable[[], None],
        tell_of_problems: Callable[[], None],
    ) -> None:
        self.model = model
        self.is_open = False
        self._user = user
        self._optimizers = optimizers
        self._observer = observer
        self._recording = recording
        self._introduce = introduce
        self._tell_of_problems = tell_of_problems
        self._batches = 1
        self._epoch = 0

    def __enter__(self) -> Self:
        """Opens the log, and begins a training run or continues the previous one."""
        recording = self._recording
        thread_claims.claim(self._user, self.model)
        recording.open(self.model)
        self._introduce()
        recording.begin(self._observer, self.model, self._optimizers, continues=True)
        self.is_open = True
        recording.schedule.begin_or_resume(recording.count.next)
        recording.receiver.histograms.begin_epoch(self._epoch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the log."""
        self.is_open = False
        self._recording.due.pause()
        self._recording.close(self._observer)
        thread_claims.release(self._user, self.model)
        if error is None:
            self._tell_of_problems()

    def begin_epoch(self) -> None:
        """Marks the beginning of an epoch, for `update_freq="epoch"` and `histogram_freq`."""
        self._epoch += 1
        self._recording.schedule.begin_epoch(self._recording.count.next)
        self._recording.receiver.histograms.begin_epoch(self._epoch)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Runs one step of the loop, and records it if it is due.

        Raises:
            RuntimeError: If another thread trains the same model or uses the same monitor, or if
                the watch has not been entered.
        """
        if not self.is_open:
            raise RuntimeError("Enter the watch first: `with monitor.watch(model) as watch:`.")
        thread_claims.check(self._user, self.model)
        count, schedule, due = self._recording.count, self._recording.schedule, self._recording.due
        step = count.take(self._batches)
        is_due = schedule.due(step, self._batches) is not None
        try:
            if is_due:
                due.begin(step, self._batches, self._observer)
                due.run_probe()
                self._observer.begin_execution(step)
            else:
                due.pass_over()
            with self._observer.watching() if is_due else nullcontext():
                yield
        except BaseException:
            count.next = step  # the step did not train
            if is_due:
                schedule.settle(None, step)
            raise
        if is_due:
            due.receive(self._observer)
            if due.last is not None:  # one step here may train on many batches
                self._batches = max(due.last + 1 - step, 1)
                count.next = step + self._batches
        self._tell_of_problems()

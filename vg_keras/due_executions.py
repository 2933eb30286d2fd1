"""Executions of the train function that contain a due step."""

from __future__ import annotations

from vg_keras.capture.observer import Observer
from vg_keras.recorder import Recorder
from vg_keras.schedule import Schedule

MAX_FRUITLESS = 1000
"""Consecutive executions to try without a record before giving up: with gradient accumulation in
the train step, most apply no optimizer. After that, only steps that are due by themselves are
tried."""


class DueExecutions:
    """Passes what an execution recorded to the recorder, and reports to the schedule.

    Args:
        recorder: Takes the records.
        schedule: Says which steps are due.

    Attributes:
        last: The last step of the present execution of which there is a record, or None.
    """

    def __init__(self, recorder: Recorder, schedule: Schedule) -> None:
        self._recorder = recorder
        self._schedule = schedule
        self._start = self._end = 0
        self.last: int | None = None
        self._num_fruitless = 0

    def begin(self, start: int, num_steps: int) -> None:
        """Begins an execution.

        Args:
            start: Its first step.
            num_steps: The number of its steps.
        """
        self._start, self._end = start, start + num_steps
        self.last = None

    def reset(self) -> None:
        """Forgets how often executions were tried without a record."""
        self._num_fruitless = 0

    def run_probe(self) -> None:
        """Runs the probe. Called before the execution."""
        self._recorder.run_probe(self._start)

    def receive(self, observer: Observer) -> None:
        """Takes what the observer kept. Called after each part of the execution."""
        last = self._recorder.receive(observer)
        self.last = self.last if last is None else last
        self._num_fruitless = self._num_fruitless + 1 if self.last is None else 0
        is_hopeless = observer.cannot_record or self._num_fruitless >= MAX_FRUITLESS
        if self.last is None and is_hopeless:
            self._recorder.warn_of_nothing()
        else:
            self._schedule.settle(self.last, self._end)

    def warn_once(self, message: str) -> None:
        """Warns the user, unless that has been said."""
        self._recorder.warn_once(message)

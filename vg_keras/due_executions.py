"""Executions of the train function that contain a due step."""

from __future__ import annotations

import time

import tensorflow as tf

from vg_keras.capture.devices import is_one_of_several_workers, wait_for_devices
from vg_keras.capture.observer import Observer
from vg_keras.cost import CostMeter
from vg_keras.receiver import Receiver
from vg_keras.schedule import Schedule

INTERVAL_OF_WORKERS = 100
"""With "auto", steps between two records where several workers train in step."""

MAX_FRUITLESS = 1000
"""Consecutive executions to try without a record before giving up: with gradient accumulation in
the train step, most apply no optimizer. After that, only steps that are due by themselves are
tried."""


class DueExecutions:
    """Passes what an execution recorded to the receiver, and reports to the schedule.

    Args:
        receiver: Takes the records.
        schedule: Says which steps are due.
        meter: Times what is recorded and what is not.

    Attributes:
        last: The last step of the present execution of which there is a record, or None.
    """

    def __init__(self, receiver: Receiver, schedule: Schedule, meter: CostMeter) -> None:
        self._receiver = receiver
        self._schedule = schedule
        self._meter = meter
        self._seconds_on_probe = 0.0
        self._num_traced = 0
        self._start = self._end = 0
        self.last: int | None = None
        self._num_fruitless = 0
        self._is_in_step_with_others = False

    def begin(self, start: int, num_steps: int, observer: Observer) -> None:
        """Begins an execution.

        Args:
            start: Its first step.
            num_steps: The number of its steps.
            observer: What is going to observe it.
        """
        self._start, self._end = start, start + num_steps
        self.last = None
        self._seconds_on_probe = 0.0
        self._num_traced = observer.num_traced
        self._wait()
        self._meter.begin_record()

    def pass_over(self) -> None:
        """Says that an execution is going to run without being recorded."""
        self._meter.run()

    def pause(self) -> None:
        """Says that what follows is no training."""
        if self._meter.is_running:
            self._wait()
            self._meter.pause()

    def _wait(self) -> None:
        # Among several workers it is not for one of them to ask devices of the others.
        if not self._is_in_step_with_others:
            wait_for_devices()

    def reset(self, strategy: tf.distribute.Strategy) -> None:
        """Begins a training: forgets how often executions were tried without a record.

        Args:
            strategy: The strategy that the model is trained under.
        """
        self._num_fruitless = 0
        self._is_in_step_with_others = is_one_of_several_workers(strategy)

    def run_probe(self) -> None:
        """Runs the probe. Called before the execution."""
        start = time.perf_counter()
        self._receiver.run_probe(self._start)
        self._seconds_on_probe = time.perf_counter() - start

    def receive(self, observer: Observer) -> None:
        """Takes what the observer kept. Called after each part of the execution."""
        start = time.perf_counter()
        last = self._receiver.receive(observer)
        on_host = self._seconds_on_probe + time.perf_counter() - start
        self._meter.end_record(on_host, was_traced=observer.num_traced != self._num_traced)
        if self._schedule.update_freq == "auto":
            self._set_interval()
        self.last = self.last if last is None else last
        self._num_fruitless = self._num_fruitless + 1 if self.last is None else 0
        is_hopeless = observer.cannot_record or self._num_fruitless >= MAX_FRUITLESS
        if self.last is None and is_hopeless:
            self._receiver.warn_of_nothing()
        else:
            self._schedule.settle(self.last, self._end)

    def _set_interval(self) -> None:
        """Lets the schedule follow what records cost, once the first ones have shown it."""
        if self._is_in_step_with_others:
            # What one worker alone measures must not part its steps from those of the others.
            self._schedule.interval = INTERVAL_OF_WORKERS
        elif not self._schedule.is_starting(self._end):
            current, num_steps = self._schedule.interval, self._end - self._start
            self._schedule.interval = self._meter.interval(current, num_steps)

    def warn_once(self, message: str) -> None:
        """Warns the user, unless that has been said."""
        self._receiver.notices.warn_once(message)

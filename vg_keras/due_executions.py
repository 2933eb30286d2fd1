"""Handles the executions of the train function that contain a due step."""

from __future__ import annotations

import time

import tensorflow as tf

from vg_keras.capture.devices import is_one_of_several_workers, wait_for_devices
from vg_keras.capture.observer import Observer
from vg_keras.cost import CostMeter
from vg_keras.receiver import Receiver
from vg_keras.schedule import Schedule

INTERVAL_OF_WORKERS = 100
"""With "auto", steps between two records if several workers train in lockstep."""

MAX_FRUITLESS = 1000
"""Consecutive executions without a record after which to give up and try only regularly due steps.
With gradient accumulation in the train step, most executions apply no optimizer."""


class DueExecutions:
    """Passes what an execution recorded to the receiver, and reports to the schedule.

    Args:
        receiver: Receives the records.
        schedule: Decides which steps are due.
        meter: Times recorded and plain executions.

    Attributes:
        last: The last recorded step of the current execution, or None.
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
            num_steps: Its number of steps.
            observer: The observer that will observe it.
        """
        self._start, self._end = start, start + num_steps
        self.last = None
        self._seconds_on_probe = 0.0
        self._num_traced = observer.num_traced
        self._wait()
        self._meter.begin_record()

    def pass_over(self) -> None:
        """Notes that an execution is about to run without being recorded."""
        self._meter.run()

    def pause(self) -> None:
        """Stops the clock: what follows is not training."""
        if self._meter.is_running:
            self._wait()
            self._meter.pause()

    def _wait(self) -> None:
        # One of several workers must not wait for devices of the others.
        if not self._is_in_step_with_others:
            wait_for_devices()

    def reset(self, strategy: tf.distribute.Strategy) -> None:
        """Begins a training run: clears the count of executions tried without a record.

        Args:
            strategy: The distribution strategy of the model.
        """
        self._num_fruitless = 0
        self._is_in_step_with_others = is_one_of_several_workers(strategy)

    def run_probe(self) -> None:
        """Runs the probe. Call this before the execution."""
        start = time.perf_counter()
        self._receiver.run_probe(self._start)
        self._seconds_on_probe = time.perf_counter() - start

    def receive(self, observer: Observer) -> None:
        """Takes the observations of the observer. Call this after each part of the execution."""
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
        """Adapts the schedule to the cost of records, once the startup records have shown it."""
        if self._is_in_step_with_others:
            # All workers must record the same steps, so none may follow its own measurement.
            self._schedule.interval = INTERVAL_OF_WORKERS
        elif not self._schedule.is_starting(self._end):
            current, num_steps = self._schedule.interval, self._end - self._start
            self._schedule.interval = self._meter.interval(current, num_steps)

    def warn_once(self, message: str) -> None:
        """Warns the user, unless the same warning was given before."""
        self._receiver.notices.warn_once(message)

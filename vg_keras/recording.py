"""The part of a monitor that `fit` and custom training loops share.

Numbers the steps, decides which are due, keeps the cost within the budget, and begins and ends
training runs in the log. `callback.py` and `loop.py` connect it to the steps.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence

import keras

from vg_keras.capture.describe import settings_of
from vg_keras.capture.observer import Observer
from vg_keras.cost import Cost, CostMeter
from vg_keras.due_executions import DueExecutions
from vg_keras.receiver import Receiver
from vg_keras.schedule import Schedule
from vg_keras.step_count import StepCount
from vg_keras.training_log import Beginning, new_id


class Recording:
    """The recording of one model's steps by one monitor.

    Args:
        update_freq: When to record; see `Schedule`.
        budget: With "auto", the fraction of the training time that recording may take.
        receiver: Receives the records.

    Attributes:
        schedule: Decides which steps are due.
        count: Numbers the steps.
        due: Handles the executions that contain a due step.
    """

    def __init__(self, update_freq: int | str, budget: float, receiver: Receiver) -> None:
        self.receiver = receiver
        self.schedule = Schedule(update_freq)
        self.count = StepCount()
        self._meter = CostMeter(budget)
        receiver.note_seconds = self._meter.note_elsewhere
        self.due = DueExecutions(receiver, self.schedule, self._meter)
        self._beginning: Beginning | None = None
        self._loop: Callable[[], Observer | None] = _no_loop
        """Returns what observed the previous training run if that was a custom loop."""

    @property
    def cost(self) -> Cost:
        """The cost of recording since the current model was first monitored."""
        return Cost(
            fraction=self._meter.fraction,
            tracing_seconds=self._meter.tracing_seconds,
            num_records=self.receiver.num_records,
            num_bytes=self.receiver.num_bytes,
            interval=self.schedule.interval,
        )

    def reset(self) -> None:
        """Prepares for another model."""
        self.count = StepCount()
        self.schedule.reset()
        self.schedule.interval = None
        self._meter.reset()
        self.receiver.reset()
        self._beginning = None

    def retrace(self) -> None:
        """Prepares for a new train function of the same model."""
        self.schedule.reset()
        self._meter.begin()

    def open(self, model: keras.Model) -> None:
        """Prepares the log.

        Args:
            model: The model that will be trained.

        Raises:
            ValueError: If no event file can be created.
        """
        self.receiver.open(model.distribute_strategy)
        self.due.reset(model.distribute_strategy)

    def begin(
        self,
        observer: Observer,
        model: keras.Model,
        optimizers: Sequence[keras.optimizers.Optimizer],
        continues: bool = False,
    ) -> None:
        """Begins a training run.

        Args:
            observer: The observer of its steps.
            model: The model that it trains.
            optimizers: The optimizers that train the model.
            continues: Whether to continue the previous training run if that was of the same
                custom loop and the steps continue where it stopped.
        """
        stopped_at = self.count.next
        is_resumed = self.count.begin(observer.counts) and self.count.next > 0
        is_same = continues and self._loop() is observer and self.count.next == stopped_at
        self._loop = weakref.ref(observer) if continues else _no_loop
        if self._beginning is None or not is_same:
            began = time.time()
            quantities = observer.choice.quantities
            settings = settings_of(model, optimizers, self.schedule.update_freq, quantities)
            resumed_from = self.count.next if is_resumed else None
            self._beginning = Beginning(new_id(began), began, settings, resumed_from)
        self.receiver.begin(self._beginning)

    def close(self, observer: Observer | None) -> None:
        """Ends the training run and closes the log.

        Args:
            observer: The observer of the steps, or None if there were no steps.
        """
        if observer is not None:
            self.count.end(observer.counts)
        self.receiver.close(self.cost)


def _no_loop() -> None:
    return None

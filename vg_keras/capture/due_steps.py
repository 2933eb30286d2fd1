"""Numbers the steps, and decides which are kept and in which slot of the buffer.

This is decided inside the train step, because one execution of a train function may run several.
There is one class for each way to run the step. `vg_keras/schedule.py` decides how often.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras
import tensorflow as tf

from vg_keras.capture.buffer import host_read_variable

Keep = Callable[[tf.Tensor | int], None]
"""Function that stores the current step in the given slot."""


class DueSteps(Protocol):
    """Interface that numbers the steps and decides which are kept."""

    num_slots: int
    """Maximum number of steps that one execution keeps."""
    num_steps: int
    """Maximum number of steps that one execution runs."""

    def fit_into(self, max_slots: int) -> None:
        """Splits the execution into parts if it would keep more than `max_slots` steps."""

    def make_variables(self) -> None:
        """Creates the variables. Called in the scope of the model's strategy."""

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Called on the host before an execution.

        Args:
            first: The first step that is due.
            start: The first step of the execution. Defaults to `first`.
        """

    def continue_execution(self) -> None:
        """Called on the host before each further part of an execution."""

    def begin_step(self) -> None:
        """Called inside the train step at the start of each step of an execution."""

    def number(self) -> tf.Tensor:
        """Returns the number of the step, an int64 scalar. Called inside the train step."""

    def when_due(self, step: tf.Tensor, keep: Keep) -> None:
        """Calls `keep` with a slot if the step is kept. Called inside the train step."""


class EveryStep:
    """Keeps every step: with one step per execution, the recording function runs only due steps."""

    num_slots = 1
    num_steps = 1

    def __init__(self) -> None:
        self._number = _HostVariable(0)

    def fit_into(self, max_slots: int) -> None:
        """Does nothing: one slot is enough."""

    def make_variables(self) -> None:
        """Creates the variable that holds the number of the step."""
        self._number.make()

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Sets the number of the step."""
        self._number.assign(first)

    def continue_execution(self) -> None:
        """Does nothing: an execution of one step has no parts."""

    def begin_step(self) -> None:
        """Does nothing: the execution has only one step."""

    def number(self) -> tf.Tensor:
        """Returns the number of the step."""
        return self._number.read()

    def when_due(self, step: tf.Tensor, keep: Keep) -> None:
        """Keeps the step."""
        keep(0)


class StepOfLoop(EveryStep):
    """Keeps the steps of a custom training loop.

    One step of the loop may be a function that trains on many batches. Then its last batch is kept,
    numbered by the optimizer's step counter.

    Args:
        counter: The optimizer's step counter.
    """

    def __init__(self, counter: keras.Variable) -> None:
        super().__init__()
        self._counter = counter
        self._counted = _HostVariable(0)

    def make_variables(self) -> None:
        """Creates the variables."""
        super().make_variables()
        self._counted.make()

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Sets the number of the step, and reads the optimizer's counter before it."""
        super().begin_execution(first)
        # Not int(): under a strategy it raises a TypeError.
        self._counted.assign(int(tf.convert_to_tensor(self._counter).numpy()))

    def number(self) -> tf.Tensor:
        """Returns the number of the step."""
        counted = tf.convert_to_tensor(self._counter, tf.int64) - self._counted.read()
        return self._number.read() + counted


class StepsOfExecution:
    """Keeps the due steps among several in one execution of the train function.

    If no optimizer is applied in a due step, the next step that applies one is kept instead.

    Args:
        steps_per_execution: Number of steps in an execution.
        every: A step is due if its number is a multiple of this.
    """

    def __init__(self, steps_per_execution: int, every: int) -> None:
        self._every = every
        self._set_steps(steps_per_execution)
        self._number = _HostVariable(0)
        self._next_due = _HostVariable(0)
        self._kept = _HostVariable(-1)
        self._num_kept = _HostVariable(0)

    def _set_steps(self, num_steps: int) -> None:
        self.num_steps = num_steps
        # At most this many multiples of `every`, plus the first step, which may not be one.
        self.num_slots = -(-num_steps // self._every) + 1

    def fit_into(self, max_slots: int) -> None:
        """Sets the steps per part to the largest divisor, at least 2, whose slots fit.

        Not 1: with one step per execution, Keras counts a step at the end of the data that it does
        not run.
        """
        all_steps = self.num_steps
        for num_steps in range(all_steps, 1, -1):
            self._set_steps(num_steps)
            if all_steps % num_steps == 0 and self.num_slots <= max_slots:
                return
        self._set_steps(all_steps)

    def make_variables(self) -> None:
        """Creates the variables that decide whether a step is due."""
        for variable in (self._number, self._next_due, self._kept, self._num_kept):
            variable.make()

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Sets the first step that is due, which may not be a multiple of `every`."""
        self._number.assign((first if start is None else start) - 1)  # each step increments it
        self._next_due.assign(first)
        self._kept.assign(-1)
        self._num_kept.assign(0)

    def continue_execution(self) -> None:
        """Frees the slots."""
        self._kept.assign(-1)
        self._num_kept.assign(0)

    def begin_step(self) -> None:
        """Counts the step."""
        self._number.assign_add(1)

    def number(self) -> tf.Tensor:
        """Returns the number of the step."""
        return self._number.read()

    def when_due(self, step: tf.Tensor, keep: Keep) -> None:
        """Keeps the first step that is due and the multiples of `every` after it.

        Each optimizer that is applied in a kept step stores its part.
        """
        is_new = (step >= self._next_due.read()) & (self._num_kept.read() < self.num_slots)
        is_kept = tf.equal(step, self._kept.read())
        tf.cond(is_new | is_kept, lambda: self._keep(step, is_kept, keep), lambda: None)

    def _keep(self, step: tf.Tensor, is_kept: tf.Tensor, keep: Keep) -> None:
        num_kept = self._num_kept.read() + tf.where(is_kept, tf.zeros_like(step), 1)
        self._num_kept.assign(num_kept)
        self._kept.assign(step)
        self._next_due.assign((step // self._every + 1) * self._every)
        keep(num_kept - 1)


class _HostVariable:
    """An int64 scalar set by the host or the step and read in the step; a plain value until `make`.

    Args:
        value: The initial value.
    """

    def __init__(self, value: int) -> None:
        self._value = value
        self._variable: Any = None

    def make(self) -> None:
        """Creates the variable."""
        self._variable = host_read_variable(tf.constant(self._value, tf.int64))

    def assign(self, value: int | tf.Tensor) -> None:
        """Sets the value, on the host or in the step."""
        if self._variable is None:
            self._value = value
        else:
            self._variable.assign(value)

    def assign_add(self, value: int) -> None:
        """Adds to the value, in the step."""
        self._variable.assign_add(value)

    def read(self) -> tf.Tensor:
        """Returns the value, in the step."""
        return tf.convert_to_tensor(self._variable)

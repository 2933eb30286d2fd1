"""Which steps are kept: decided in the train step itself, because one execution may hold several.

Each class here answers for one way to run the step: what its number is, whether it is kept, and in
which slot of the buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras
import tensorflow as tf

from vg_keras.capture.buffer import host_read_variable

Keep = Callable[[tf.Tensor | int], None]
"""Keeps a step in a slot."""


class DueSteps(Protocol):
    """Numbers the steps, and decides which are kept."""

    num_slots: int
    """Number of steps that one execution may keep."""
    num_steps: int
    """Number of steps that one execution may run."""

    def fit_into(self, max_slots: int) -> None:
        """Splits the execution into parts if it would keep more than `max_slots` steps."""

    def make_variables(self) -> None:
        """Makes what has to be made under the model's strategy."""

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Is called on the host, before an execution.

        Args:
            first: The first step that is due.
            start: The first step of the execution, by default the same.
        """

    def continue_execution(self) -> None:
        """Is called on the host, before a further part of an execution."""

    def begin_step(self) -> None:
        """Is called inside a train step of several, at its beginning."""

    def number(self) -> tf.Tensor:
        """Returns the number of the step, an int64 scalar, inside the train step."""

    def when_due(self, step: tf.Tensor, keep: Keep) -> None:
        """Calls `keep` with a slot, inside the train step, for a step that is kept."""


class EveryStep:
    """Keeps each step that is run: what runs is a step that is due."""

    num_slots = 1
    num_steps = 1

    def __init__(self) -> None:
        self._number = _HostVariable(0)

    def fit_into(self, max_slots: int) -> None:
        """Does nothing: one slot is enough."""

    def make_variables(self) -> None:
        """Makes the variable that holds the number of the step."""
        self._number.make()

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Takes the number of the step."""
        self._number.assign(first)

    def continue_execution(self) -> None:
        """Does nothing: an execution of one step has no parts."""

    def begin_step(self) -> None:
        """Does nothing: the execution is one step."""

    def number(self) -> tf.Tensor:
        """Returns the number of the step."""
        return self._number.read()

    def when_due(self, step: tf.Tensor, keep: Keep) -> None:
        """Keeps the step."""
        keep(0)


class StepOfLoop(EveryStep):
    """Keeps the step of a custom training loop.

    One step of the loop may be a function that trains on many batches. Its last batch is kept,
    numbered by how far the optimizer has counted.

    Args:
        counter: The optimizer's step counter.
    """

    def __init__(self, counter: keras.Variable) -> None:
        super().__init__()
        self._counter = counter
        self._counted = _HostVariable(0)

    def make_variables(self) -> None:
        """Makes the variables."""
        super().make_variables()
        self._counted.make()

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Takes the number of the step, and what the optimizer has counted before it."""
        super().begin_execution(first)
        # Not int(): under a strategy that is a TypeError.
        self._counted.assign(int(tf.convert_to_tensor(self._counter).numpy()))

    def number(self) -> tf.Tensor:
        """Returns the number of the step."""
        counted = tf.convert_to_tensor(self._counter, tf.int64) - self._counted.read()
        return self._number.read() + counted


class StepsOfExecution:
    """Keeps the steps that are due out of several in one execution of the train function.

    A step that is due but is not kept, because no optimizer was applied in it, stays due.

    Args:
        steps_per_execution: Steps in an execution.
        every: A step is due when it is a multiple of this.
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
        # At most this many multiples of `every`, plus the first step, which need not be one.
        self.num_slots = -(-num_steps // self._every) + 1

    def fit_into(self, max_slots: int) -> None:
        """Uses the largest divisor of the number of steps, at least 2, whose slots fit.

        Keras handles a single step per execution differently: at the end of the data it counts a
        step that it does not run.
        """
        all_steps = self.num_steps
        for num_steps in range(all_steps, 1, -1):
            self._set_steps(num_steps)
            if all_steps % num_steps == 0 and self.num_slots <= max_slots:
                return
        self._set_steps(all_steps)

    def make_variables(self) -> None:
        """Makes the variables by which a step sees whether it is due."""
        for variable in (self._number, self._next_due, self._kept, self._num_kept):
            variable.make()

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Takes the first step that is due, a multiple of `every` or not."""
        self._number.assign((first if start is None else start) - 1)  # each step counts it up first
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

        A step that is kept is kept by each optimizer that is applied in it.
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
        value: Its value.
    """

    def __init__(self, value: int) -> None:
        self._value = value
        self._variable: Any = None

    def make(self) -> None:
        """Makes the variable."""
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

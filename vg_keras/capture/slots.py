"""Which steps are kept: decided in the train step itself, because one execution may hold several.

Each class here answers for one way to run the step: whether it is kept, and in which slot of the
table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from vg_keras.capture.table import host_read_variable


class Slots(Protocol):
    """Decides which steps are kept."""

    num_slots: int
    """Number of steps that one execution may keep."""

    def make_variables(self) -> None:
        """Makes what has to be made under the model's strategy."""

    def begin_execution(self, first: int) -> None:
        """Is told on the host, before an execution, the first step that is due."""

    def when_due(self, step: tf.Tensor, keep: Callable[[tf.Tensor | int], None]) -> None:
        """Calls `keep` with a slot, inside the train step, for a step that is kept."""


class EveryStep:
    """Keeps each step that is run: what runs is a step that is due."""

    num_slots = 1

    def make_variables(self) -> None:
        """Needs none."""

    def begin_execution(self, first: int) -> None:
        """Takes what comes."""

    def when_due(self, step: tf.Tensor, keep: Callable[[tf.Tensor | int], None]) -> None:
        """Keeps the step."""
        keep(0)


class StepsOfExecution:
    """Keeps the steps that are due out of several in one execution of the train function.

    Args:
        steps_per_execution: Steps in an execution.
        every: A step is due when it is a multiple of this.
    """

    def __init__(self, steps_per_execution: int, every: int) -> None:
        # At most so many multiples of `every`, and the first step, which may be none.
        self.num_slots = -(-steps_per_execution // every) + 1
        self._every = every
        self._first_due = 0
        self._first: tf.Variable | None = None

    def make_variables(self) -> None:
        """Makes the variable that holds the first step that is due."""
        self._first = host_read_variable(tf.constant(self._first_due, tf.int64))

    def begin_execution(self, first: int) -> None:
        """Takes the first step that is due, a multiple of `every` or not."""
        self._first_due = first
        if self._first is not None:
            self._first.assign(first)

    def when_due(self, step: tf.Tensor, keep: Callable[[tf.Tensor | int], None]) -> None:
        """Keeps the first step that is due and the multiples of `every` after it."""
        after = step - self._first
        slot = (after + self._every - 1) // self._every
        is_due = tf.equal(after, 0) | ((after > 0) & tf.equal(step % self._every, 0))
        tf.cond(is_due & (slot < self.num_slots), lambda: keep(slot), lambda: None)


class ArmedStep:
    """Keeps the step that runs while it is armed: for a loop whose step is traced but once."""

    num_slots = 1

    def __init__(self) -> None:
        self._is_armed = False
        self._armed: tf.Variable | None = None

    def make_variables(self) -> None:
        """Makes the variable by which a traced step sees whether it is armed."""
        self._armed = host_read_variable(tf.constant(self._is_armed))

    def begin_execution(self, first: int) -> None:
        """Arms the step, whichever it is."""
        self._set(True)

    def disarm(self) -> None:
        """Has the steps that follow not kept."""
        self._set(False)

    def _set(self, is_armed: bool) -> None:
        self._is_armed = is_armed
        if self._armed is not None:
            self._armed.assign(is_armed)

    def when_due(self, step: tf.Tensor, keep: Callable[[tf.Tensor | int], None]) -> None:
        """Keeps the step if it is armed."""
        if not tf.executing_eagerly():
            tf.cond(tf.convert_to_tensor(self._armed), lambda: keep(0), lambda: None)
        elif self._is_armed:
            keep(0)

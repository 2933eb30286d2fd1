"""Decides which steps to record.

`step_count.py` numbers the steps, and `cost.py` computes the interval that the budget allows.
Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any

NEVER = 2**62
"""A step number that is never reached."""

STARTUP = 100
"""With "auto", the number of steps at the start whose records do not depend on the cost."""


class Schedule:
    """Decides which steps are due.

    Args:
        update_freq: "auto" for the first step and those 1, 2, 5, 10, 20, 50, ... later, until they
            are `interval` apart, and then every multiple of `interval`; "epoch" for the first step
            of each epoch, "batch" for every step, or a positive integer for the first step and
            every multiple of it.

    Raises:
        TypeError: If `update_freq` is neither a string nor an integer.
        ValueError: If it is another string or not positive.
    """

    def __init__(self, update_freq: int | str) -> None:
        self.update_freq = _checked(update_freq)
        self.interval: int | None = None
        """With "auto", the number of steps between two records after the startup: one of
        `intervals`, or None if not known yet."""
        self.reset()

    def reset(self) -> None:
        """Resets the schedule: no step is due until `begin`."""
        self._has_begun = False
        self._first = 0
        self._next_due = NEVER

    @property
    def every(self) -> int:
        """Every multiple of this number is due, besides steps known before an execution."""
        if self.update_freq in ("auto", "epoch"):
            return NEVER
        return 1 if self.update_freq == "batch" else int(self.update_freq)

    def begin(self, step: int) -> None:
        """Begins the schedule at a step, which is always due."""
        self._has_begun = True
        self._first = self._next_due = step

    def begin_or_resume(self, step: int) -> None:
        """Begins the schedule at a step, or only an epoch if the schedule has begun."""
        if self._has_begun:
            self.begin_epoch(step)
        else:
            self.begin(step)

    def begin_epoch(self, step: int) -> None:
        """Begins an epoch at a step.

        The last execution of an epoch may have run fewer steps than `due` assumed.
        """
        if self.update_freq == "epoch":
            self._next_due = step
        else:
            self._next_due = min(self._next_due, self._due_from(step))

    def due(self, step: int, num_steps: int) -> int | None:
        """Returns the first due step of an execution, and marks the whole execution as done.

        Args:
            step: The first step of the execution.
            num_steps: The number of steps in it.
        """
        end = step + num_steps
        if self._next_due < step:  # steps have passed unnoticed
            self._next_due = self._due_from(step)
        if self._next_due >= end:
            return None
        due, self._next_due = self._next_due, self._due_from(end)
        return due

    def settle(self, last: int | None, end: int) -> None:
        """Reports the outcome of an execution. A due step without a record stays due.

        Args:
            last: The last step of the execution that was recorded, or None if none was.
            end: The first step after the execution.
        """
        if last is None:
            self._next_due = end
        elif self.update_freq == "auto":
            self._next_due = self._due_from(end)  # one record of an execution is enough
        else:
            self._next_due = max(self._due_from(last + 1), end)

    def is_starting(self, step: int) -> bool:
        """Whether a step belongs to the startup."""
        return step < self._first + STARTUP

    def _due_from(self, step: int) -> int:
        """Returns the first due step at or after this one."""
        if self.update_freq != "auto":
            return _multiple_from(step, self.every)
        spacing = max(self.interval or NEVER, STARTUP)
        since = max(step - self._first, 0)
        if since <= spacing:
            early = next(n for n in itertools.chain([0], intervals()) if n >= since)
            if early <= spacing:
                return self._first + early
        return _multiple_from(step, self.interval or NEVER)


def intervals() -> Iterator[int]:
    """Yields 1, 2, 5, 10, 20, 50, 100, ... endlessly."""
    for power in itertools.count():
        yield from (10**power, 2 * 10**power, 5 * 10**power)


def _multiple_from(step: int, factor: int) -> int:
    return -(-step // factor) * factor


def whole_number(value: Any) -> int:
    """Returns an integer of any type, including NumPy's.

    Raises:
        TypeError: If it is not an integer, or is a bool.
    """
    if isinstance(value, bool):
        raise TypeError("A bool is not a number.")
    return operator.index(value)


def _checked(update_freq: int | str) -> int | str:
    expected = "`update_freq` must be 'auto', 'epoch', 'batch' or a positive integer."
    received = f"Received: update_freq={update_freq!r}."
    if not isinstance(update_freq, str):
        try:
            update_freq = whole_number(update_freq)
        except TypeError:
            raise TypeError(f"{expected} {received} Use update_freq='auto'.") from None
    if isinstance(update_freq, str):
        if update_freq not in ("auto", "epoch", "batch"):
            raise ValueError(f"{expected} {received} Use update_freq='auto'.")
    elif update_freq < 1:
        raise ValueError(f"{expected} {received} Use update_freq=1 to record every step.")
    return update_freq

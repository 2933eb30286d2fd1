"""When to record: which steps are due.

Numbers alone: neither Keras nor TensorFlow. `step_count.py` numbers the steps, and `cost.py` says
how often the cost of recording allows it.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator

NEVER = 2**62
"""A step that is not reached."""

STARTUP = 100
"""With "auto", the steps within which records grow rarer whatever they cost."""


class Schedule:
    """Tells which steps are due.

    Args:
        update_freq: "auto" for steps 1, 2, 5, 10, 20, 50, ... after the first one, until they lie
            `interval` apart, and then every multiple of `interval`; "epoch" for the first step of
            each epoch, "batch" for every step, or a positive integer for the first step and every
            multiple of it.

    Raises:
        TypeError: It is neither a string nor an integer.
        ValueError: It is another string or not positive.
    """

    def __init__(self, update_freq: int | str) -> None:
        self.update_freq = _checked(update_freq)
        self.interval: int | None = None
        """With "auto", the number of steps between two records after the first ones: one of
        `intervals`, or None while it is not known."""
        self.reset()

    def reset(self) -> None:
        """Forgets the schedule: no step is due until `begin`."""
        self._has_begun = False
        self._first = 0
        self._next_due = NEVER

    @property
    def every(self) -> int:
        """A step is due when it is a multiple of this, besides those known before an execution."""
        if self.update_freq in ("auto", "epoch"):
            return NEVER
        return 1 if self.update_freq == "batch" else int(self.update_freq)

    def begin(self, step: int) -> None:
        """Makes a step the first one, which is due in any case."""
        self._has_begun = True
        self._first = self._next_due = step

    def begin_or_resume(self, step: int) -> None:
        """Begins with a step, or begins an epoch if already begun."""
        if self._has_begun:
            self.begin_epoch(step)
        else:
            self.begin(step)

    def begin_epoch(self, step: int) -> None:
        """Says with which step an epoch begins.

        The last execution of an epoch may have run fewer steps than `due` took as done.
        """
        if self.update_freq == "epoch":
            self._next_due = step
        else:
            self._next_due = min(self._next_due, self._due_from(step))

    def due(self, step: int, num_steps: int) -> int | None:
        """Returns the first due step of an execution, and marks the whole execution as done.

        Args:
            step: First step of the execution.
            num_steps: Number of its steps.
        """
        end = step + num_steps
        if self._next_due < step:  # steps went by unseen
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
        """Whether a step lies before the end of the first ones."""
        return step < self._first + STARTUP

    def _due_from(self, step: int) -> int:
        """Returns the first due step from this one on."""
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
    """Yields 1, 2, 5, 10, 20, 50, 100, ..., without end."""
    for power in itertools.count():
        yield from (10**power, 2 * 10**power, 5 * 10**power)


def _multiple_from(step: int, factor: int) -> int:
    return -(-step // factor) * factor


def _checked(update_freq: int | str) -> int | str:
    expected = "`update_freq` must be 'auto', 'epoch', 'batch' or a positive integer."
    received = f"Received: update_freq={update_freq!r}."
    if not isinstance(update_freq, str):
        try:
            if isinstance(update_freq, bool):
                raise TypeError
            update_freq = operator.index(update_freq)  # NumPy's integers are taken too
        except TypeError:
            raise TypeError(f"{expected} {received} Use update_freq='auto'.") from None
    if isinstance(update_freq, str):
        if update_freq not in ("auto", "epoch", "batch"):
            raise ValueError(f"{expected} {received} Use update_freq='auto'.")
    elif update_freq < 1:
        raise ValueError(f"{expected} {received} Use update_freq=1 to record every step.")
    return update_freq

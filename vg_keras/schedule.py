"""When to record: which steps are due.

Numbers alone: neither Keras nor TensorFlow. `step_count.py` numbers the steps.
"""

from __future__ import annotations

import operator

NEVER = 2**62
"""A step that is not reached."""


class Schedule:
    """Tells which steps are due.

    Args:
        update_freq: "epoch" for the first step of each epoch, "batch" for every step, or a positive
            integer for the first step and every multiple of it.

    Raises:
        TypeError: It is neither a string nor an integer.
        ValueError: It is another string or not positive.
    """

    def __init__(self, update_freq: int | str) -> None:
        self.update_freq = _checked(update_freq)
        self.reset()

    def reset(self) -> None:
        """Forgets the schedule: no step is due until `begin`."""
        self._has_begun = False
        self._next_due = NEVER

    @property
    def every(self) -> int:
        """A step is due when it is a multiple of this, besides the first one."""
        if self.update_freq == "epoch":
            return NEVER
        return 1 if self.update_freq == "batch" else int(self.update_freq)

    def begin(self, step: int) -> None:
        """Makes a step the first one, which is due in any case."""
        self._has_begun = True
        self._next_due = step

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
            self._next_due = min(self._next_due, self._multiple_from(step))

    def due(self, step: int, num_steps: int) -> int | None:
        """Returns the first due step of an execution, and marks the whole execution as done.

        Args:
            step: First step of the execution.
            num_steps: Number of its steps.
        """
        end = step + num_steps
        if self._next_due < step:  # steps went by unseen
            self._next_due = self._multiple_from(step)
        if self._next_due >= end:
            return None
        due, self._next_due = self._next_due, self._multiple_from(end)
        return due

    def settle(self, last: int | None, end: int) -> None:
        """Reports the outcome of an execution. A due step without a record stays due.

        Args:
            last: The last step of the execution that was recorded, or None if none was.
            end: The first step after the execution.
        """
        self._next_due = end if last is None else max(self._multiple_from(last + 1), end)

    def _multiple_from(self, step: int) -> int:
        return -(-step // self.every) * self.every


def _checked(update_freq: int | str) -> int | str:
    expected = "`update_freq` must be 'epoch', 'batch' or a positive integer."
    received = f"Received: update_freq={update_freq!r}."
    if not isinstance(update_freq, str):
        try:
            if isinstance(update_freq, bool):
                raise TypeError
            update_freq = operator.index(update_freq)  # NumPy's integers are taken too
        except TypeError:
            raise TypeError(f"{expected} {received} Use update_freq='epoch'.") from None
    if isinstance(update_freq, str):
        if update_freq not in ("epoch", "batch"):
            raise ValueError(f"{expected} {received} Use update_freq='epoch'.")
    elif update_freq < 1:
        raise ValueError(f"{expected} {received} Use update_freq=1 to record every step.")
    return update_freq

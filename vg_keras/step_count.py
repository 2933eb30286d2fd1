"""Numbers the train steps of a model.

The first number is the step count of the optimizers, so that a resumed training run continues where
it was saved. From then on train steps are counted, however often each applies an optimizer: several
times per step, in every tenth step, or never.

Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Counts = Mapping[int, int]
"""The step count of each optimizer, by a key that identifies the optimizer."""


class StepCount:
    """The number of the next train step of one model.

    Attributes:
        next: The number of the next step.
    """

    def __init__(self) -> None:
        self.next = 0
        self._highest = 0
        self._is_open = False
        self._saved: tuple[int, Counts] | None = None
        self._epoch: tuple[int, Counts] = 0, {}
        self._executions = 0

    def begin(self, counts: Counts) -> bool:
        """Begins or continues training.

        If the optimizers have advanced since `end` (or since the last `begin`, if training was
        interrupted), the number advances with them. If one was set back, or they are different
        optimizers, the number is taken from their counts.

        Returns:
            Whether existing records from this step on, if any, are void, because they belong to an
            aborted training run that is resumed from a backup. After another `compile`, records of
            the previous optimizer may have these step numbers too, but are not void.
        """
        saved, before = self._saved or (0, {})
        moved = [counts[key] - before[key] for key in counts if key in before]
        is_first = self._saved is None
        are_others = counts.keys() != before.keys()
        is_set_back = bool(moved) and min(moved) < 0
        if is_first or are_others or is_set_back or not moved:
            self.next = max(counts.values(), default=0)
        else:
            self.next = saved + max(moved)
        self._saved = self.next, counts
        self._epoch, self._executions = (self.next, counts), 0
        is_resumed = self._is_open or (is_set_back and not are_others)
        is_void = is_first or is_resumed or self.next >= self._highest
        self._is_open = True
        self._highest = self.next if is_void else self._highest
        return is_void

    @property
    def is_in_epoch(self) -> bool:
        """Whether steps were counted since the last epoch ended."""
        return self._executions > 0

    def take(self, num_steps: int) -> int:
        """Counts an execution of `num_steps` steps, and returns the number of its first step."""
        first, self.next = self.next, self.next + num_steps
        self._highest = max(self._highest, self.next)
        self._executions += 1
        return first

    def end_epoch(
        self, num_steps: int, num_batches: int | None, is_stopped: bool, counts: Counts
    ) -> None:
        """Corrects the number after an epoch, whose last execution may have run fewer steps.

        Args:
            num_steps: Steps per execution.
            num_batches: Batches in the epoch, if known.
            is_stopped: Whether `model.stop_training` ended the epoch, or the loop is not Keras's
                own `fit`.
            counts: The step counts of the optimizers.
        """
        first, before = self._epoch
        moved = [counts[key] - before[key] for key in counts if key in before]
        self.next = first + steps_run(self._executions, num_steps, num_batches, is_stopped, moved)
        self._epoch, self._executions = (self.next, counts), 0

    def end(self, counts: Counts) -> None:
        """Ends training."""
        self._is_open = False
        self._saved = self.next, counts


def steps_run(
    executions: int,
    num_steps: int,
    num_batches: int | None,
    is_stopped: bool,
    moved: Iterable[int] = (),
) -> int:
    """Returns the number of steps that an epoch has run.

    With one step per execution the number is known. Otherwise the last execution ends with the
    data: at the last batch if their number is known, else where the optimizers' counts indicate.

    Args:
        executions: Number of calls of the train function.
        num_steps: Steps per execution.
        num_batches: Batches in the epoch, if known.
        is_stopped: Whether the epoch ended before its data did.
        moved: By how much the count of each optimizer advanced in this epoch.
    """
    most = executions * num_steps
    has_run_out = not is_stopped and (num_batches is None or most < num_batches)
    if has_run_out:
        most = max(most - num_steps, 0)  # the last execution found no data
    if num_steps == 1:
        return most
    expected = most if num_batches is None else min(most, num_batches)
    counted = [n for n in moved if most - num_steps < n <= most]
    if is_stopped or has_run_out or expected <= most - num_steps:
        return max(counted, default=most)
    # With `steps_per_epoch` the data, and so the last execution, may go on past the last step.
    return max([n for n in counted if n > expected], default=expected)

"""Numbers the train steps of a model.

The first number is what the optimizers have counted, so that a resumed training run goes on where
it was saved. From there on train steps are counted, whatever they do to any optimizer: it may be
applied several times in a step, in every tenth step, or never.

Numbers alone: neither Keras nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Counts = Mapping[int, int]
"""What each optimizer has counted, by a key that stands for the optimizer."""


class StepCount:
    """The number of the next train step of one model.

    Attributes:
        next: The number of the step that comes next.
    """

    def __init__(self) -> None:
        self.next = 0
        self._highest = 0
        self._is_open = False
        self._saved: tuple[int, Counts] | None = None
        self._epoch: tuple[int, Counts] = 0, {}
        self._executions = 0

    def begin(self, counts: Counts) -> bool:
        """Begins to train, or goes on.

        If the optimizers have moved on since `end`, or since the last `begin` where training was
        interrupted, the number moves with them. If one was set back, or they are others, the number
        is what they have counted.

        Returns:
            Whether records from this step on, if there are any, are void: those of a training run
            that was aborted and is resumed from a backup. After another `compile`, records of the
            optimizer of before have such numbers too, and are not.
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
        """Counts an execution of so many steps, and returns the number of its first step."""
        first, self.next = self.next, self.next + num_steps
        self._highest = max(self._highest, self.next)
        self._executions += 1
        return first

    def end_epoch(
        self, num_steps: int, num_batches: int | None, is_stopped: bool, counts: Counts
    ) -> None:
        """Corrects the number after an epoch, whose last execution may have run fewer steps.

        Args:
            num_steps: Steps of an execution.
            num_batches: Batches of the epoch, if that is known.
            is_stopped: Whether `model.stop_training` ended the epoch, or the loop is not Keras's
                own `fit`.
            counts: What the optimizers have counted.
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
    """Returns how many steps an epoch has run.

    With one step per execution the number is known. Otherwise the last execution ends with the
    data: at the last batch if their number is known, else where an optimizer's count says.

    Args:
        executions: How often the train function was called.
        num_steps: Steps of an execution.
        num_batches: Batches of the epoch, if that is known.
        is_stopped: Whether the epoch was ended before its data were.
        moved: How far each optimizer has counted in this epoch.
    """
    most = executions * num_steps
    has_run_out = not is_stopped and (num_batches is None or most < num_batches)
    if has_run_out:
        most = max(most - num_steps, 0)  # the last execution has found no data
    if num_steps == 1:
        return most
    expected = most if num_batches is None else min(most, num_batches)
    counted = [n for n in moved if most - num_steps < n <= most]
    if is_stopped or has_run_out or expected <= most - num_steps:
        return max(counted, default=most)
    # With `steps_per_epoch` the data may go on after the last step, and Keras does too.
    return max([n for n in counted if n > expected], default=expected)

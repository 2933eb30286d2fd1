"""What recording costs, measured while the model trains, and how often a budget allows it.

The time of a recorded execution of the train function is compared with that of the others. A device
may work behind the host's back, so both kinds are timed between moments at which it has nothing
left to do: before a recorded execution and after it, when its results have been read.

Numbers alone, and a clock: neither Keras nor TensorFlow.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from vg_keras.schedule import intervals

_NUM_SAMPLES = 7
"""The latest executions and pauses between records whose median counts: a single one that another
program has slowed down does not."""

_MARGIN = 1.25
"""By how much the cost must have left the range of an interval before another is taken, so that
noise alone does not change it."""


@dataclass(frozen=True, eq=False)
class Cost:
    """What a monitor has cost so far.

    Args:
        fraction: Time that recording took, divided by the time of the training steps, those with a
            record among them, tracing and validation left out. NaN where it is not known yet.
        tracing_seconds: Time of the executions in which the recording train function was traced,
            compiled and run for the first time.
        num_records: Number of records.
        num_bytes: Bytes written to event files, those of a probe included.
        interval: With `update_freq="auto"` the number of steps between two records that the budget
            has led to, or None while it is not known or where another number was asked for.
    """

    fraction: float
    tracing_seconds: float
    num_records: int
    num_bytes: int
    interval: int | None

    def __eq__(self, other: object) -> bool:
        """Whether all numbers are the same, NaN counting as equal to NaN."""
        if not isinstance(other, Cost):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        """Returns a hash that agrees with `==`."""
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        fraction, *rest = dataclasses.astuple(self)
        return None if math.isnan(fraction) else fraction, *rest

    def __str__(self) -> str:
        """Returns a sentence."""
        share = "an unknown share" if math.isnan(self.fraction) else f"{self.fraction:.2%}"
        every = f", one every {self.interval:,} steps" if self.interval else ""
        return (
            f"{self.num_records:,} records{every}, {share} of the training time, "
            f"{self.tracing_seconds:.1f} s for tracing, {self.num_bytes / 1e6:,.1f} MB"
        )


class CostMeter:
    """Times what is recorded and what is not.

    Args:
        budget: The share of the training time that recording may take.
        clock: Returns seconds.
    """

    def __init__(self, budget: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.budget = budget
        self._clock = clock
        self._arrived: deque[float] = deque()
        self.reset()

    def reset(self) -> None:
        """Forgets everything: another model is trained."""
        self.tracing_seconds = 0.0
        self._elsewhere = 0.0
        self._recorded = 0.0
        self._num_recorded = 0
        self._plain = 0.0
        self._num_plain = 0
        self.begin()

    def begin(self) -> None:
        """Says that a training begins, whose train function may be another than before."""
        self._samples_recorded: deque[float] = deque(maxlen=_NUM_SAMPLES)
        self._samples_plain: deque[float] = deque(maxlen=_NUM_SAMPLES)
        self._samples_elsewhere: deque[float] = deque(maxlen=_NUM_SAMPLES)
        self._between: tuple[float, int] = 0.0, 0
        self._is_first_plain = True
        self._start: float | None = None
        self._since: tuple[float, int] | None = None
        self._on_host = 0.0
        self._executions = 0

    @property
    def is_running(self) -> bool:
        """Whether executions without a record are being timed."""
        return self._since is not None

    def run(self) -> None:
        """Says that an execution without a record is going to run."""
        if self._since is None:
            self._since = self._clock(), self._executions
        self._executions += 1

    def pause(self) -> None:
        """Says that they are over, and the device has nothing left to do."""
        if self._since is None:
            return
        since, before = self._since
        seconds, number = self._between
        self._between = seconds + self._clock() - since, number + self._executions - before
        self._since = None

    def begin_record(self) -> None:
        """Says that an execution is going to be recorded, and the device has nothing left to do."""
        self.pause()
        seconds, number = self._between
        if number:
            # The first execution without a record prepares the model's own train function.
            if not self._is_first_plain:
                self._samples_plain.append(seconds / number)
                self._plain += seconds
                self._num_plain += number
            self._is_first_plain = False
        self._between = 0.0, 0
        self._start = self._clock()

    def end_record(self, seconds_on_host: float, was_traced: bool) -> None:
        """Says that the execution is over, and that its results have been read.

        Args:
            seconds_on_host: What of it was certainly spent on recording.
            was_traced: Whether the recording function was traced for it.
        """
        if self._start is None:
            return
        seconds, self._start = self._clock() - self._start, None
        if was_traced:
            self.tracing_seconds += seconds
            return
        self._samples_recorded.append(seconds)
        self._on_host = seconds_on_host
        self._recorded += seconds
        self._num_recorded += 1

    def note_elsewhere(self, seconds: float) -> None:
        """Adds time that another thread has spent on a record. It may be called by that thread."""
        self._arrived.append(seconds)

    def _collect(self) -> None:
        while self._arrived:
            seconds = self._arrived.popleft()
            self._elsewhere += seconds
            self._samples_elsewhere.append(seconds)

    @property
    def relative_cost(self) -> float:
        """What a record costs, in executions without one; NaN where that is not known yet."""
        if not self._samples_plain or not self._samples_recorded:
            return math.nan
        self._collect()
        plain = statistics.median(self._samples_plain)
        extra = max(statistics.median(self._samples_recorded) - plain, self._on_host)
        elsewhere = statistics.median(self._samples_elsewhere) if self._samples_elsewhere else 0.0
        return (extra + elsewhere) / max(plain, 1e-9)

    def interval(self, current: int | None, steps_per_execution: int = 1) -> int | None:
        """Returns how many steps apart records may be to stay within the budget.

        Args:
            current: The number so far, which is kept unless it is clearly wrong.
            steps_per_execution: Steps of an execution.

        Returns:
            One of `intervals`, or the current number where the cost is not known.
        """
        needed = self.relative_cost * steps_per_execution / self.budget
        if math.isnan(needed):
            return current
        if current is not None and needed <= current * _MARGIN:
            shorter = _at_least(needed * _MARGIN)
            return min(shorter, current)
        return _at_least(needed)

    @property
    def fraction(self) -> float:
        """The share of the training time that recording has taken; NaN where it is not known."""
        seconds, number = (0.0, 0) if self._is_first_plain else self._between
        plain, num_plain = self._plain + seconds, self._num_plain + number
        if not num_plain or not self._num_recorded:
            return math.nan
        self._collect()
        extra = self._recorded - self._num_recorded * plain / num_plain
        # What another thread does takes its own time, beside that of the training.
        return (max(extra, 0.0) + self._elsewhere) / (self._recorded + plain)


def _at_least(number: float) -> int:
    return next(n for n in intervals() if n >= number)

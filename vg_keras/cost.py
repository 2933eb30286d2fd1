"""Measures the cost of recording while the model trains, and how often a budget allows it.

Compares the time of recorded executions of the train function with that of the others. Devices run
asynchronously, so both kinds are timed between moments at which the device is idle: before a
recorded execution, and after it, when its results have been read.

Imports neither TensorFlow nor Keras.
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
"""Samples of the moving median: one execution slowed down by another program has no effect."""

_MARGIN = 1.25
"""Hysteresis: the factor by which the cost must leave the range of an interval before the interval
changes, so that noise alone does not change it."""


@dataclass(frozen=True, eq=False)
class Cost:
    """The cost of a monitor so far.

    Args:
        fraction: Time spent on recording, as a fraction of the time of all training steps, recorded
            ones included, without tracing and validation. NaN if not known yet.
        tracing_seconds: Time of the executions in which the recording train function was traced,
            compiled and run for the first time.
        num_records: Number of records.
        num_bytes: Bytes written to event files, including those of a probe.
        interval: With `update_freq="auto"`, the number of steps between two records that the budget
            allows. None if not known yet, or with any other `update_freq`.
    """

    fraction: float
    tracing_seconds: float
    num_records: int
    num_bytes: int
    interval: int | None

    def __eq__(self, other: object) -> bool:
        """Whether all numbers are equal, with NaN equal to NaN."""
        if not isinstance(other, Cost):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        """Returns a hash consistent with `==`."""
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        fraction, *rest = dataclasses.astuple(self)
        return None if math.isnan(fraction) else fraction, *rest

    def __str__(self) -> str:
        """Returns the cost as readable text."""
        fraction = "an unknown fraction" if math.isnan(self.fraction) else f"{self.fraction:.2%}"
        every = f", one every {self.interval:,} steps" if self.interval else ""
        records = f"{self.num_records:,} record{'' if self.num_records == 1 else 's'}"
        return (
            f"{records}{every}, {fraction} of the training time, "
            f"{self.tracing_seconds:.1f} s for tracing, {self.num_bytes / 1e6:,.1f} MB"
        )


class CostMeter:
    """Times recorded and plain executions of the train function.

    Args:
        budget: The fraction of the training time that recording may take.
        clock: Returns the time in seconds.
    """

    def __init__(self, budget: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.budget = budget
        self._clock = clock
        self._arrived: deque[float] = deque()
        self.reset()

    def reset(self) -> None:
        """Discards all measurements, for another model."""
        self.tracing_seconds = 0.0
        self._elsewhere = 0.0
        self._recorded = 0.0
        self._num_recorded = 0
        self._plain = 0.0
        self._num_plain = 0
        self.begin()

    def begin(self) -> None:
        """Discards the samples, for a train function that may be a new one; totals are kept."""
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
        """Notes that an execution without a record is about to run."""
        if self._since is None:
            self._since = self._clock(), self._executions
        self._executions += 1

    def pause(self) -> None:
        """Stops timing executions without a record. The device must be idle."""
        if self._since is None:
            return
        since, before = self._since
        seconds, number = self._between
        self._between = seconds + self._clock() - since, number + self._executions - before
        self._since = None

    def begin_record(self) -> None:
        """Starts timing an execution with a record. The device must be idle."""
        self.pause()
        seconds, number = self._between
        if number:
            # The first execution without a record traces the model's own train function.
            if not self._is_first_plain:
                self._samples_plain.append(seconds / number)
                self._plain += seconds
                self._num_plain += number
            self._is_first_plain = False
        self._between = 0.0, 0
        self._start = self._clock()

    def end_record(self, seconds_on_host: float, was_traced: bool) -> None:
        """Ends an execution with a record, after its results have been read.

        Args:
            seconds_on_host: The part of its time that was certainly spent on recording.
            was_traced: Whether the recording function was traced in it.
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
        """Adds time that another thread spent on a record. Any thread may call this."""
        self._arrived.append(seconds)

    def _collect(self) -> None:
        while self._arrived:
            seconds = self._arrived.popleft()
            self._elsewhere += seconds
            self._samples_elsewhere.append(seconds)

    @property
    def relative_cost(self) -> float:
        """The cost of a record, in units of a plain execution; NaN if not known yet."""
        if not self._samples_plain or not self._samples_recorded:
            return math.nan
        self._collect()
        plain = statistics.median(self._samples_plain)
        extra = max(statistics.median(self._samples_recorded) - plain, self._on_host)
        elsewhere = statistics.median(self._samples_elsewhere) if self._samples_elsewhere else 0.0
        return (extra + elsewhere) / max(plain, 1e-9)

    def interval(self, current: int | None, steps_per_execution: int = 1) -> int | None:
        """Returns the number of steps between records that keeps within the budget.

        Args:
            current: The current interval, which is kept unless it is clearly wrong.
            steps_per_execution: Steps per execution.

        Returns:
            One of `intervals`, or `current` if the cost is not known.
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
        """The fraction of the training time spent on recording; NaN if not known."""
        seconds, number = (0.0, 0) if self._is_first_plain else self._between
        plain, num_plain = self._plain + seconds, self._num_plain + number
        if not num_plain or not self._num_recorded:
            return math.nan
        self._collect()
        extra = self._recorded - self._num_recorded * plain / num_plain
        # Time of the other thread comes on top: it is not part of the timed executions.
        return (max(extra, 0.0) + self._elsewhere) / (self._recorded + plain)


def _at_least(number: float) -> int:
    return next(n for n in intervals() if n >= number)

"""The numbers of a training run in memory: all records of a short run, merged ones of a long one.

Neighboring records are merged if there are more than memory or the screen can hold. A merged value
is that of the first record, or infinite if it is not finite in any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vg_keras.layer_quantities import LAYER_QUANTITIES
from vg_keras.log.numbers import Numbers
from vg_keras.profiles import Profile
from vg_keras.record import ModelDescription

MAX_BYTES = 64_000_000
"""Bytes that the table of one training run may take: 15,000 records of a model of 100 layers."""

_BYTES_OF_ROW = 120
"""Bytes of a NumPy array besides its numbers."""


@dataclass(frozen=True)
class Place:
    """Where a record is stored.

    Args:
        path: The event file.
        start: Where its event begins in the file, in bytes.
    """

    path: str
    start: int


@dataclass(frozen=True)
class Columns:
    """One quantity of a training run, in few enough columns for a screen.

    Args:
        steps: int64 `[c]`, the step of the first record of each column.
        last_steps: int64 `[c]`, the step of the last record of each column.
        values: float64 `[c, p]`, those of the first record. NaN where nothing was recorded,
            infinite if any record of the column is not finite.
        places: Where the first record of each column is stored.
    """

    steps: NDArray[np.int64]
    last_steps: NDArray[np.int64]
    values: NDArray[np.float64]
    places: list[Place]


@dataclass
class _Rows:
    """Merged records, in order."""

    steps: list[int] = field(default_factory=list)
    last_steps: list[int] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    values: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)


class NumberTable:
    """The numbers of a training run, by record and by variable or layer.

    Args:
        model: The model.
        max_bytes: Bytes that the table may take.
    """

    def __init__(self, model: ModelDescription, max_bytes: int = MAX_BYTES) -> None:
        self._model = model
        self._max_bytes = max_bytes
        self._rows = _Rows()
        self._indices = {
            name: quantity.indices(model) for name, quantity in LAYER_QUANTITIES.items()
        }
        self._stride = 1
        self._num_in_last = 0
        self.num_records = 0
        """Number of records that were added."""

    @property
    def quantities(self) -> list[str]:
        """The names of the quantities that were recorded, in the order of the menu."""
        return [name for name in LAYER_QUANTITIES if name in self._rows.values]

    @property
    def steps(self) -> Sequence[int]:
        """The step of the first record of each row."""
        return self._rows.steps

    @property
    def last_step(self) -> int | None:
        """The step of the last record."""
        return self._rows.last_steps[-1] if self._rows.last_steps else None

    @property
    def num_bytes(self) -> int:
        """Roughly the number of bytes that the table takes."""
        rows = [values[-1].nbytes + _BYTES_OF_ROW for values in self._rows.values.values()]
        return len(self._rows.steps) * (sum(rows) + _BYTES_OF_ROW)

    def add(self, numbers: Numbers, place: Place) -> None:
        """Adds the numbers of the next record."""
        self.num_records += 1
        if self._num_in_last % self._stride:
            self._merge_into_last(numbers)
        else:
            self._append(numbers, place)
            self._num_in_last = 0
        self._num_in_last += 1
        if self.num_bytes > self._max_bytes and len(self._rows.steps) > 2:
            self._merge_pairs()

    def columns(
        self, name: str, first: int = 0, stop: int | None = None, most: int = 1000
    ) -> Columns:
        """Returns the values of a quantity.

        Args:
            name: Its name in the menu.
            first: The first step.
            stop: The step to stop before, or None for no end.
            most: Maximum number of columns.
        """
        rows, shape = self._rows, (0, len(self._indices[name]))
        steps = np.array(rows.steps, np.int64)
        last_steps = np.array(rows.last_steps, np.int64)
        begin = int(np.searchsorted(last_steps, first))
        end = len(steps) if stop is None else int(np.searchsorted(steps, stop))
        if name not in rows.values or begin >= end:
            return Columns(steps[:0], steps[:0], np.zeros(shape), [])
        stride = -(-(end - begin) // max(most - 1, 1)) if end - begin > most else 1
        starts = np.arange(begin, end, stride)
        if starts[-1] != end - 1 and len(starts) < most:
            starts = np.append(starts, end - 1)  # the last record by itself
        values = np.stack(rows.values[name][begin:end])
        return Columns(
            steps[starts],
            last_steps[np.append(starts[1:], end) - 1],
            _merged(values, starts - begin),
            [rows.places[start] for start in starts],
        )

    def profile(self, name: str, most: int = 1000) -> Profile:
        """Returns the values of a quantity over the whole training run.

        Merged records are represented by the first one, unless one of them is not finite.

        Args:
            name: As in `columns`.
            most: As in `columns`.
        """
        columns = self.columns(name, most=most)
        return LAYER_QUANTITIES[name].profile(self._model, columns.steps, columns.values)

    def _append(self, numbers: Numbers, place: Place) -> None:
        rows = self._rows
        for name in LAYER_QUANTITIES:
            values = self._values(name, numbers)
            if values is None and name not in rows.values:
                continue
            nothing = np.full(len(self._indices[name]), np.nan)
            earlier = rows.values.setdefault(name, [nothing] * len(rows.steps))
            earlier.append(nothing if values is None else values)
        rows.steps.append(numbers.step)
        rows.last_steps.append(numbers.step)
        rows.places.append(place)

    def _values(self, name: str, numbers: Numbers) -> NDArray[np.float64] | None:
        found = LAYER_QUANTITIES[name].read(numbers)
        return None if found is None else found[self._indices[name]]

    def _merge_into_last(self, numbers: Numbers) -> None:
        self._rows.last_steps[-1] = numbers.step
        for name, kept in self._rows.values.items():
            values = self._values(name, numbers)
            if values is not None and np.isinf(values).any():
                kept[-1] = np.where(np.isinf(values), np.inf, kept[-1])

    def _merge_pairs(self) -> None:
        """Merges every second row into the one before it."""
        rows = self._rows
        starts = np.arange(0, len(rows.steps), 2)
        is_half = len(rows.steps) % 2 == 1
        for name, values in rows.values.items():
            rows.values[name] = list(_merged(np.stack(values), starts))
        rows.last_steps = [*rows.last_steps[1::2], *(rows.last_steps[-1:] if is_half else [])]
        rows.steps, rows.places = rows.steps[::2], rows.places[::2]
        self._num_in_last += 0 if is_half else self._stride
        self._stride *= 2


def _merged(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Merges rows `[r, p]` into groups that begin at `starts`."""
    is_bad = np.logical_or.reduceat(np.isinf(values), starts, axis=0)
    return np.where(is_bad, np.inf, values[starts])

"""Variables that keep the measurements of one train function execution until the host reads them.

Variables, because `tf.summary` fails in a train step under XLA, and a value returned from the step
would appear as a metric. A buffer has one row for each tensor that is sketched and one slot for
each step that is kept. `plan.py` assigns the rows, `encode.py` writes them, `decode.py` reads them.

A step writes only its own slot, in place: with hundreds of slots, copying the buffer at each step
would cost more than the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vg_keras.quantities import EXTRAS
from vg_keras.sketch import buckets
from vg_keras.sketch.sketch import AGGREGATES, Sketch
from vg_keras.statistics.active_units import MAX_UNITS
from vg_keras.statistics.tensor_sketch import TensorSketch

NUM_EXTRAS = max(map(len, EXTRAS.values()))
"""Number of additional numbers in a row, after its sketch."""

_STEP = len(AGGREGATES)
_EXTRAS = _STEP + 1
_FLAGS = _EXTRAS + NUM_EXTRAS
"""First column of the flags: whether the row was filled, and whether each extra is known. They are
1 or 0, because a NaN would end the training run under `tf.debugging.enable_check_numerics`."""
_NUM_COLUMNS = _FLAGS + 1 + NUM_EXTRAS


def bytes_of_slot(num_rows: int, num_masks: int) -> int:
    """Returns the size of one slot of a buffer in bytes."""
    return num_rows * 8 * (buckets.NUM_BUCKETS + _NUM_COLUMNS) + num_masks * MAX_UNITS


@dataclass(frozen=True)
class Rows:
    """The rows that one replica stored for one step.

    Args:
        counts: int64 `[rows, 2048]`.
        numbers: float64 `[rows, 9 + NUM_EXTRAS]`: the aggregates of the sketch, the step, and the
            extras.
        known: bool `[rows, 1 + NUM_EXTRAS]`: whether the row was filled in this step, and whether
            each extra is known.
        active: bool `[masks, MAX_UNITS]`.
    """

    counts: NDArray[np.int64]
    numbers: NDArray[np.float64]
    known: NDArray[np.bool_]
    active: NDArray[np.bool_]

    @property
    def filled(self) -> NDArray[np.bool_]:
        """Which rows were filled in this step, bool `[rows]`."""
        return self.known[:, 0]

    @property
    def step(self) -> int:
        """The number of the step."""
        return int(self.numbers[self.filled, _STEP].max())

    def sketches(self, rows: Sequence[int]) -> list[Sketch]:
        """Returns the sketches in the given rows."""
        # NumPy finds True values ten times as fast as nonzero integers.
        counts = self.counts[rows].reshape(-1)
        places = np.flatnonzero(counts != 0)
        owner, nonzero_buckets = np.divmod(places, buckets.NUM_BUCKETS)
        ends = np.searchsorted(owner, np.arange(1, len(rows)))
        parts = zip(
            np.split(nonzero_buckets.astype(np.uint16), ends),
            np.split(counts[places], ends),
            self.numbers[rows, :_STEP],
            strict=True,
        )
        return [Sketch.of_nonzero(*part) for part in parts]

    def extras(self, row: int) -> list[float | None]:
        """Returns the extras of a row, with None for those that are not known."""
        pairs = zip(self.numbers[row, _EXTRAS:].tolist(), self.known[row, 1:], strict=True)
        return [number if is_known else None for number, is_known in pairs]


class Buffer:
    """Variables that hold the sketches of several steps.

    Under a distribution strategy each replica fills its own copy, and the host reads all of them.

    Args:
        num_rows: Number of tensors that are sketched in a step.
        num_masks: Number of layers whose active units are stored.
        num_slots: Number of steps that can be kept until the host reads them.
    """

    def __init__(self, num_rows: int, num_masks: int, num_slots: int) -> None:
        self._shape = (num_slots, num_rows)
        # int64, because TensorFlow places int32 variables of a GPU in host memory.
        self._counts = host_read_variable(tf.zeros([*self._shape, buckets.NUM_BUCKETS], tf.int64))
        self._nothing = tf.zeros([*self._shape, _NUM_COLUMNS], tf.float64)
        self._numbers = host_read_variable(self._nothing)
        self._active = host_read_variable(tf.zeros([num_slots, num_masks, MAX_UNITS], tf.bool))

    def empty(self) -> None:
        """Empties all slots. Called on the host."""
        self._numbers.assign(self._nothing)

    def store(
        self,
        slot: tf.Tensor | int,
        step: tf.Tensor,
        rows: Sequence[int],
        sketches: TensorSketch,
        extras: tf.Tensor,
        known: Sequence[Sequence[bool]] | None = None,
    ) -> None:
        """Fills some rows of a slot. Called inside the train step.

        Args:
            slot: The slot.
            step: The number of the step, int64.
            rows: n different rows.
            sketches: Their sketches, counts `[n, 2048]` and aggregates `[n, 8]`.
            extras: float64 `[n, NUM_EXTRAS]`.
            known: Which of the extras are known, bool `[n, NUM_EXTRAS]`. Defaults to all of them.
        """
        steps = tf.fill([len(rows), 1], tf.cast(step, tf.float64))
        flags = np.ones([len(rows), 1 + NUM_EXTRAS])
        if known is not None:
            flags[:, 1:] = known
        numbers = tf.concat([sketches.aggregates, steps, extras, tf.constant(flags)], axis=1)
        if self._shape == (1, len(rows)):
            order = np.argsort(rows)
            self._counts.assign(_sorted(sketches.counts, order)[tf.newaxis])
            self._numbers.assign(_sorted(numbers, order)[tf.newaxis])
            return
        places = _places(slot, rows)
        _update(self._counts, places, sketches.counts)
        _update(self._numbers, places, numbers)

    def store_active(self, slot: tf.Tensor | int, masks: Sequence[int], active: tf.Tensor) -> None:
        """Stores which units are active. Called inside the train step.

        Args:
            slot: The slot.
            masks: The numbers of n layers, as in `Plan.mask_of`.
            active: bool `[n, MAX_UNITS]`.
        """
        _update(self._active, _places(slot, masks), active)

    def read(self) -> Iterator[list[Rows]]:
        """Yields, for each step stored since `empty`, the rows of each replica."""
        counts, numbers, active = map(_read, (self._counts, self._numbers, self._active))
        for slot in range(self._shape[0]):
            replicas = [
                Rows(c[slot], n[slot][:, :_FLAGS], n[slot][:, _FLAGS:] > 0, a[slot])
                for c, n, a in zip(counts, numbers, active, strict=True)
            ]
            if replicas[0].filled.any():
                yield replicas


def host_read_variable(initial: tf.Tensor) -> tf.Variable:
    """Returns a variable that each replica of a strategy writes separately, without syncing."""
    return tf.Variable(
        initial,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def _read(variable: tf.Variable) -> list[NDArray[Any]]:
    """Returns the value in each replica on this machine."""
    values = getattr(variable, "values", None)  # only on a variable distributed over replicas
    return [tf.convert_to_tensor(value).numpy() for value in values or [variable]]


def _sorted(values: tf.Tensor, order: NDArray[np.int64]) -> tf.Tensor:
    return values if np.array_equal(order, np.arange(len(order))) else tf.gather(values, order)


def _places(slot: tf.Tensor | int, rows: Sequence[int]) -> tf.Tensor:
    return tf.stack([tf.fill([len(rows)], tf.cast(slot, tf.int32)), tf.constant(rows)], axis=1)


def _update(variable: tf.Variable, places: tf.Tensor, updates: tf.Tensor) -> None:
    # In place, and through the handle: a variable of a strategy has no `scatter_nd_update`, and
    # within a replica its handle is that of the replica's own copy.
    tf.raw_ops.ResourceScatterNdUpdate(ref=variable.handle, indices=places, updates=updates)

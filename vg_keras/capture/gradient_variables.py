"""Keeps the sketches of one execution's gradients in variables, until the host reads them.

Variables, because `tf.summary` in a train step fails under XLA, and a value returned from it would
have to pass as a metric. One execution of the train function runs `steps_per_execution` steps; each
step that is due has a slot of its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vg_keras.capture.optimizers import Gradient, loss_scale, summed_over_replicas
from vg_keras.record import Record
from vg_keras.statistics import buckets
from vg_keras.statistics.indexed_slices import sketch_slices
from vg_keras.statistics.sketch import MOMENTS, Sketch
from vg_keras.statistics.tensor_sketch import TensorSketch, sketch_all

_EMPTY = -1


class GradientVariables:
    """The variables that hold sketches of gradients, and the tensors that fill them.

    Args:
        variables: The Keras variables whose gradients are kept, by path.
        steps_per_execution: Steps in one execution of the train function.
        every: A step is due when it is a multiple of this.
        first: The first step that is due, a multiple of `every` or not.
    """

    def __init__(
        self,
        variables: Mapping[str, keras.Variable],
        steps_per_execution: int,
        every: int,
        first: int,
    ) -> None:
        self._paths = list(variables)
        self._sizes = [int(np.prod(v.shape, dtype=np.int64)) for v in variables.values()]
        self._row_of = {}
        for row, variable in enumerate(variables.values()):
            # A custom train step may hand over the tf.Variable beneath a Keras variable.
            self._row_of[id(variable)] = self._row_of[id(variable.value)] = row
        self._every = every
        self._selects = steps_per_execution > 1
        # At most so many multiples of `every`, and the first step, which may be none.
        self._num_slots = -(-steps_per_execution // every) + 1 if self._selects else 1
        num_rows = len(self._paths)
        table = [self._num_slots, num_rows]
        self._first = _variable([], tf.int64)
        # int64, because TensorFlow keeps int32 variables of a GPU in the memory of the host.
        self._steps = _variable(table, tf.int64)
        self._counts = _variable([*table, buckets.NUM_BUCKETS], tf.int64)
        self._moments = _variable([*table, len(MOMENTS)], tf.float64)
        self._nothing = tf.fill(table, tf.constant(_EMPTY, tf.int64))
        self._has_none: set[int] = set()
        self.begin_execution(first)

    def begin_execution(self, first: int) -> None:
        """Empties all slots. To be called on the host.

        Args:
            first: The first step that is due, a multiple of `every` or not.
        """
        if self._selects:
            self._first.assign(first)
        self._steps.assign(self._nothing)

    def keep(
        self,
        step: tf.Tensor,
        optimizer: keras.optimizers.Optimizer,
        gradients: Sequence[Gradient | None],
        variables: Sequence[keras.Variable],
    ) -> None:
        """Keeps the sketches of what an optimizer is handed. To be called inside the train step.

        Args:
            step: int64, the number of the step.
            optimizer: The optimizer.
            gradients: What it is handed for each variable.
            variables: The variables. Those that are not kept are passed over.
        """
        rows, known = [], []
        for gradient, variable in zip(gradients, variables, strict=True):
            row = self._row_of.get(id(variable))
            if row is None:
                continue
            if gradient is None:
                self._has_none.add(row)
            else:
                rows.append(row)
                known.append(gradient)
        self._has_none.difference_update(rows)
        if not rows:
            return
        scale = loss_scale(optimizer)
        known = [_divided(gradient, scale) for gradient in summed_over_replicas(known)]

        def store(slot: tf.Tensor | int) -> None:
            self._store(slot, step, *self._sketches(rows, known))

        if not self._selects:
            store(0)
            return
        # The other steps of this execution are none of ours. The sum over replicas stays outside of
        # the condition: replicas must not wait for each other inside of one.
        after = step - self._first
        slot = (after + self._every - 1) // self._every
        is_due = tf.equal(after, 0) | ((after > 0) & tf.equal(step % self._every, 0))
        tf.cond(is_due & (slot < self._num_slots), lambda: store(slot), lambda: None)

    def _sketches(
        self, rows: list[int], gradients: list[Gradient]
    ) -> tuple[list[int], TensorSketch]:
        """Returns the sketches of gradients, and the rows they belong to, sparse ones last."""
        pairs = list(zip(rows, gradients, strict=True))
        dense = [(row, g) for row, g in pairs if not isinstance(g, tf.IndexedSlices)]
        sparse = [(row, g) for row, g in pairs if isinstance(g, tf.IndexedSlices)]
        parts = [sketch_all([g for _, g in dense])] if dense else []
        for row, slices in sparse:
            counts, moments = sketch_slices(slices, self._sizes[row])
            parts.append(TensorSketch(counts[tf.newaxis], moments[tf.newaxis]))
        columns = (tf.concat(column, axis=0) for column in zip(*parts, strict=True))
        return [row for row, _ in dense + sparse], TensorSketch(*columns)

    def _store(
        self, slot: tf.Tensor | int, step: tf.Tensor, rows: list[int], sketches: TensorSketch
    ) -> None:
        slot = tf.cast(slot, tf.int32)
        places = tf.stack([tf.fill([len(rows)], slot), tf.constant(rows)], axis=1)
        _update(self._counts, places, sketches.counts)
        _update(self._moments, places, sketches.moments)
        _update(self._steps, places, tf.fill([len(rows)], step))

    def read(self) -> list[Record]:
        """Returns the records of the steps kept since `begin_execution`, in their order."""
        steps, moments, counts = (_read(v) for v in (self._steps, self._moments, self._counts))
        now = time.time()
        return [
            Record(
                step=int(steps[slot].max()),
                wall_time=now,
                gradients={
                    self._paths[row]: Sketch.of(counts[slot, row], moments[slot, row])
                    for row in np.flatnonzero(steps[slot] != _EMPTY)
                },
                without_gradient=tuple(self._paths[row] for row in sorted(self._has_none)),
            )
            for slot in range(self._num_slots)
            if np.any(steps[slot] != _EMPTY)
        ]


def _variable(shape: list[int], dtype: tf.DType) -> tf.Variable:
    # Under a strategy every replica computes the same sketches of the same summed gradients and
    # keeps them to itself; the host reads those of the first.
    return tf.Variable(
        tf.zeros(shape, dtype),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def _update(variable: tf.Variable, places: Any, updates: Any) -> None:
    variable.assign(tf.tensor_scatter_nd_update(variable, places, updates))


def _read(variable: tf.Variable) -> NDArray[Any]:
    return tf.convert_to_tensor(variable).numpy()


def _divided(gradient: Gradient, scale: tf.Tensor | None) -> Gradient:
    if scale is None:
        return gradient
    if isinstance(gradient, tf.IndexedSlices):
        values = _divided(gradient.values, scale)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    # Widen first: a gradient that needs a loss scale would vanish without it in float16.
    dtype = tf.float64 if gradient.dtype == tf.float64 else tf.float32
    return tf.cast(gradient, dtype) / tf.cast(scale, dtype)

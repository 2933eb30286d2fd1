"""Computes the rows of the buffer from what was gathered, inside the step.

`gather.py` collects the tensors, `vg_keras/statistics` sketches them, `decode.py` reads the rows.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import tensorflow as tf

from vg_keras.activations import Bounds
from vg_keras.capture.buffer import NUM_EXTRAS, Buffer
from vg_keras.capture.calls import Call
from vg_keras.capture.copies import copies
from vg_keras.capture.gradients import Gradient, dense_parts, divided, on_values
from vg_keras.capture.num_examples import examples_of
from vg_keras.capture.plan import (
    ACTIVATION,
    ACTIVATION_GRADIENT,
    DATA_LOSS_GRADIENT,
    GRADIENT,
    REGULARIZATION_GRADIENT,
    WEIGHT,
    Key,
    Plan,
)
from vg_keras.quantities import EXTRAS
from vg_keras.statistics.active_units import active_units
from vg_keras.statistics.blocks import in_order, measured_together
from vg_keras.statistics.indexed_slices import sketch_slices
from vg_keras.statistics.nonfinite import num_nonfinite
from vg_keras.statistics.norms import update_norms
from vg_keras.statistics.saturation import saturated_fraction, saturated_fractions
from vg_keras.statistics.tensor_sketch import (
    TensorSketch,
    as_real,
    sketch_all,
    sketch_blocks,
    sketch_large,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Measurement:
    """The tensors of one update, to be sketched and stored.

    Args:
        step: The number of the step, int64.
        gradients: The gradients of the whole batch by path, without loss scale.
        penalties: The gradients that regularizers add, likewise.
        calls: The calls of the layers that the gradients came through, by path.
        scale: The loss scale, or None.
        before: The values of the variables before the update, by path.
        after: Their values after the update; empty if updates are not measured.
        moments: The optimizer's momentum and velocity after the update, by kind and path; empty if
            they are not measured.
        losses: The losses that were differentiated, with loss scale, as far as known and not yet
            stored for this step.
        data: The floating-point tensors of the batch, likewise.
        drop: Called with the key and the error of a tensor that can't be measured. The rest is
            still recorded.
    """

    step: tf.Tensor
    gradients: Mapping[str, Gradient]
    penalties: Mapping[str, tf.Tensor]
    calls: Mapping[str, Sequence[Call]]
    scale: tf.Tensor | None
    before: Mapping[str, tf.Tensor]
    after: Mapping[str, tf.Tensor]
    moments: Mapping[Key, tf.Tensor] = dataclasses.field(default_factory=dict)
    losses: Sequence[tf.Tensor] = ()
    data: Sequence[tf.Tensor] = ()
    drop: Callable[[Key, Exception], None] | None = None

    def undisturbing(self, received: Sequence[tf.Tensor]) -> Measurement:
        """Returns the same measurement on tensors that are safe to read; see `copies.py`.

        Args:
            received: The gradients that the optimizer received; of IndexedSlices, the values.
        """
        tensors = dense_parts(self.gradients.values())
        for calls in self.calls.values():
            tensors += [call.value for call in calls]
            tensors += dense_parts(c.gradient for c in calls if c.gradient is not None)
        tensors += self.losses
        if tf.executing_eagerly() or not tensors:
            return self
        graph = tensors[0].graph  # the default graph may be a branch of `tf.cond`
        if any(tensor.graph is not graph for tensor in [*tensors, *received]):
            return self  # an optimizer in the user's `tf.cond` makes them inputs of the cond
        roots = [tensor.op for tensor in received]
        roots += [op for op in graph.get_operations() if op.op_def and op.op_def.is_stateful]
        copy_of = dict(zip(map(id, tensors), copies(tensors, roots), strict=True))
        return dataclasses.replace(
            self,
            gradients={path: _replaced(g, copy_of) for path, g in self.gradients.items()},
            calls={path: _replaced_calls(calls, copy_of) for path, calls in self.calls.items()},
            losses=[copy_of[id(loss)] for loss in self.losses],
        )

    def store(self, slot: tf.Tensor | int, plan: Plan, buffer: Buffer) -> None:
        """Writes the rows of this step into a slot of the buffer."""
        parts = [self._rows_of_gradients(plan), self._rows_of_outputs(plan)]
        found = [part for part in parts if part is not None]
        if not found:
            return
        rows = _stacked(found)
        places = [plan.row_of[key] for key in rows.keys]
        buffer.store(slot, self.step, places, rows.sketches, *rows.extras)
        masks = self._masks(plan)
        if masks:
            buffer.store_active(slot, list(masks), tf.stack(list(masks.values())))

    def _rows_of_gradients(self, plan: Plan) -> _Rows | None:
        """Returns the rows of everything except the outputs of layers.

        Gradients come first. Their extras are the norms of the update and of the variable; the
        first one has the loss and the number of non-finite values in the batch too.
        """
        tensors = self._gradients(plan)
        sketched, keys = self._sketched(tensors, lambda some: _sketch_gradients(some, plan))
        if sketched is None:
            return None
        paths = [path for kind, path in keys if kind == GRADIENT]
        extras = _Extras.none(len(keys) - len(paths))
        if paths:
            extras = self._extras_of_gradients(paths) + extras
        return _Rows(keys, sketched, extras)

    def _extras_of_gradients(self, paths: Sequence[str]) -> _Extras:
        num = len(paths)
        update = weight = tf.zeros([num], tf.float64)
        if self.after:
            before, after = (
                [as_real(values[p]) for p in paths] for values in (self.before, self.after)
            )
            update, weight = update_norms(before, after)
        loss = _sum([tf.reduce_sum(tf.cast(part, tf.float64)) for part in self.losses])
        if self.scale is not None:
            loss = loss / tf.cast(self.scale, tf.float64)
        columns = {
            "update_norms": update,
            "weight_norms": weight,
            "loss": tf.fill([num], loss),
            "nonfinite_data": tf.fill([num], _sum(list(map(num_nonfinite, self.data)))),
        }
        only_first = [True] + [False] * (num - 1)
        known = {
            "update_norms": [bool(self.after)] * num,
            "weight_norms": [bool(self.after)] * num,
            "loss": only_first if self.losses else [False] * num,
            "nonfinite_data": only_first if self.data else [False] * num,
        }
        return _Extras.of(GRADIENT, columns, num, known)

    def _rows_of_outputs(self, plan: Plan) -> _Rows | None:
        """Returns the rows of the outputs of layers.

        Their extras are the fraction of saturated outputs and the number of examples.
        """
        values = {
            (ACTIVATION, p): _joined([c.value for c in calls]) for p, calls in self.calls.items()
        }
        bounds = {key: plan.layers[key[1]].bounds for key in values}
        bounds |= {key: None for key, tensor in values.items() if tensor.dtype.is_complex}
        tensors = {key: as_real(tensor) for key, tensor in values.items()}
        found, keys = self._sketched(tensors, lambda some: _sketch_outputs(some, bounds))
        if found is None:
            return None
        counts, aggregates, saturated = found
        examples = examples_of([self.calls[path] for _, path in keys], counts)
        columns = {"saturated_units": saturated, "examples": tf.cast(examples, tf.float64)}
        known = {"saturated_units": [bounds[key] is not None for key in keys]}
        extras = _Extras.of(ACTIVATION, columns, len(keys), known)
        return _Rows(keys, TensorSketch(counts, aggregates), extras)

    def _sketched(
        self, tensors: Mapping[Key, Gradient], sketch: Callable[[Mapping[Key, Gradient]], T]
    ) -> tuple[T | None, list[Key]]:
        """Returns the sketches of tensors, and the keys of the tensors that could be sketched."""
        if not tensors:
            return None, []
        try:
            return sketch(tensors), list(tensors)
        except Exception:
            if self.drop is None:
                raise
        kept = {}
        for key, tensor in tensors.items():
            try:
                sketch({key: tensor})
                kept[key] = tensor
            except Exception as error:  # noqa: BLE001 - any error is specific to this tensor
                self.drop(key, error)
        return (sketch(kept), list(kept)) if kept else (None, [])

    def _gradients(self, plan: Plan) -> dict[Key, Gradient]:
        """Returns the tensors to sketch, except for the outputs.

        Gradients come first. Everything is in the order of backpropagation, so that tensors can be
        freed as early as possible.
        """
        tensors: dict[Key, Gradient] = {}
        for path, gradient in reversed(list(self.gradients.items())):
            tensors[GRADIENT, path] = gradient
        for path, calls in reversed(list(self.calls.items())):
            upstream = [_dense(call) for call in calls if call.gradient is not None]
            if upstream:
                tensors[ACTIVATION_GRADIENT, path] = divided(_joined(upstream), self.scale)
        for path, penalty in self.penalties.items():
            tensors[REGULARIZATION_GRADIENT, path] = penalty
            tensors[DATA_LOSS_GRADIENT, path] = tf.convert_to_tensor(self.gradients[path]) - penalty
        if plan.choice.weights:
            tensors |= {(WEIGHT, path): self.before[path] for path in self.gradients}
        tensors |= self.moments
        return {key: on_values(as_real, tensor) for key, tensor in tensors.items()}

    def _masks(self, plan: Plan) -> dict[int, tf.Tensor]:
        """Returns the active units of the rectifying layers, by `Plan.mask_of`."""
        masks = {}
        for path, calls in self.calls.items():
            axis = plan.layers[path].unit_axis
            values = [call.value for call in calls]
            widths = {value.shape[axis] if value.shape.rank else None for value in values}
            if path in plan.mask_of and len(widths) == 1 and all(widths):
                masks[plan.mask_of[path]] = active_units(values, axis)
        return masks


class _Extras(NamedTuple):
    """The numbers stored with some sketches.

    Attributes:
        values: float64 `[n, NUM_EXTRAS]`, in the order of `quantities.EXTRAS`.
        known: Which of them are known, bool `[n, NUM_EXTRAS]`.
    """

    values: tf.Tensor
    known: Sequence[Sequence[bool]]

    @classmethod
    def of(
        cls,
        kind: str,
        columns: Mapping[str, tf.Tensor],
        num: int,
        known: Mapping[str, Sequence[bool]] | None = None,
    ) -> _Extras:
        """Returns the extras of n sketches.

        Args:
            kind: The kind of the sketches.
            columns: float64 `[n]` for each quantity that is stored with them.
            num: n.
            known: bool `[n]` for each quantity that not all of them have.
        """
        names = EXTRAS[kind]
        padding = NUM_EXTRAS - len(names)
        values = [columns[name] for name in names] + [tf.zeros([num], tf.float64)] * padding
        flags = [(known or {}).get(name, [True] * num) for name in names] + [
            [False] * num
        ] * padding
        return cls(tf.stack(values, axis=1), list(zip(*flags, strict=True)))

    @classmethod
    def none(cls, num: int) -> _Extras:
        """Returns the extras of n sketches that have none."""
        return cls(tf.zeros([num, NUM_EXTRAS], tf.float64), [(False,) * NUM_EXTRAS] * num)

    def __add__(self, other: _Extras) -> _Extras:  # type: ignore[override]
        """Returns the extras of both, one after the other."""
        return _Extras(tf.concat([self.values, other.values], axis=0), [*self.known, *other.known])


@dataclass(frozen=True)
class _Rows:
    """Some rows of the buffer, in the form that `Buffer.store` takes."""

    keys: Sequence[Key]
    sketches: TensorSketch
    extras: _Extras


def _sum(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.add_n(parts) if parts else tf.zeros([], tf.float64)


def _stacked(parts: Sequence[_Rows]) -> _Rows:
    columns = zip(*(part.sketches for part in parts), strict=True)
    return _Rows(
        [key for part in parts for key in part.keys],
        TensorSketch(*(tf.concat(column, axis=0) for column in columns)),
        functools.reduce(operator.add, (part.extras for part in parts)),
    )


def _replaced(gradient: Gradient, copy_of: Mapping[int, tf.Tensor]) -> Gradient:
    return on_values(lambda values: copy_of[id(values)], gradient)


def _replaced_calls(calls: Sequence[Call], copy_of: Mapping[int, tf.Tensor]) -> list[Call]:
    return [
        dataclasses.replace(
            call,
            value=copy_of[id(call.value)],
            gradient=None if call.gradient is None else _replaced(call.gradient, copy_of),
        )
        for call in calls
    ]


def _sketch_gradients(tensors: Mapping[Key, Gradient], plan: Plan) -> TensorSketch:
    """Returns the sketches of dense tensors and of IndexedSlices."""
    is_sparse = [isinstance(tensor, tf.IndexedSlices) for tensor in tensors.values()]
    order = sorted(range(len(tensors)), key=is_sparse.__getitem__)
    dense = [tensor for tensor in tensors.values() if not isinstance(tensor, tf.IndexedSlices)]
    parts = [sketch_all(dense)] if dense else []
    for (_, path), slices in tensors.items():
        if isinstance(slices, tf.IndexedSlices):
            counts, aggregates = sketch_slices(slices, plan.sizes[path])
            parts.append(TensorSketch(counts[tf.newaxis], aggregates[tf.newaxis]))
    return TensorSketch(*in_order(parts, order))


def _sketch_outputs(
    tensors: Mapping[Key, tf.Tensor], bounds: Mapping[Key, Bounds | None]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the counts, the aggregates, and the fractions of saturated outputs."""
    keys, values = list(tensors), list(tensors.values())

    def measure_large(number: int) -> tuple[tf.Tensor, ...]:
        of_one = bounds[keys[number]]
        fraction = tf.zeros([], tf.float64)
        if of_one is not None:
            fraction = saturated_fraction(values[number], of_one)
        return *sketch_large(values[number]), fraction[tf.newaxis]

    return measured_together(
        [(outputs,) for outputs in values],
        lambda numbers, parts: (
            *sketch_blocks(parts[0]),
            saturated_fractions(parts[0], [bounds[keys[number]] for number in numbers]),
        ),
        measure_large,
    )


def _dense(call: Call) -> tf.Tensor:
    """Returns the gradient of a call as a dense tensor; through `tf.gather` it is IndexedSlices."""
    gradient = call.gradient
    if isinstance(gradient, tf.IndexedSlices):
        rows = tf.shape(call.value, gradient.indices.dtype)[0]
        return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, rows)
    return gradient


def _joined(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the elements of the tensors of several calls in one tensor."""
    if len(tensors) == 1:
        return tensors[0]
    if len({tensor.dtype for tensor in tensors}) > 1:  # the layer ignores the dtype policy
        wide = tf.float64 if any(t.dtype == tf.float64 for t in tensors) else tf.float32
        tensors = [tf.cast(tensor, wide) for tensor in tensors]
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)

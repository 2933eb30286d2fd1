"""Turns what was seen of a step into the rows of a table, inside the step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from vg_keras.capture.calls import Call
from vg_keras.capture.copies import copies
from vg_keras.capture.optimizers import Gradient
from vg_keras.capture.plan import (
    ACTIVATION,
    ACTIVATION_GRADIENT,
    GRADIENT,
    LOSS_GRADIENT,
    REGULARIZATION_GRADIENT,
    WEIGHT,
    Key,
    Plan,
)
from vg_keras.capture.table import MAX_UNITS, NO_EXTRAS, NUM_EXTRAS, Extras, Table
from vg_keras.record import SKETCHES_OF_LAYERS
from vg_keras.statistics.indexed_slices import sketch_slices
from vg_keras.statistics.norms import norms
from vg_keras.statistics.saturation import Bounds, saturated_share
from vg_keras.statistics.tensor_sketch import TensorSketch, as_real, sketch_all

_LARGE = 1 << 18
"""Elements from which on a tensor is sketched by itself. Those sketched together are all in memory
at once, and what is backpropagated to a layer would else be gone as soon as the next one has it."""

_USUAL_BATCH = 128
"""Examples that are assumed to tell how large a tensor is before its batch is known."""


@dataclass(frozen=True)
class Measurement:
    """What was seen of a step when an optimizer was handed its gradients.

    Args:
        step: int64, the number of the step.
        gradients: By path, of the whole batch and without loss scale.
        penalties: By path, what regularizers add to them, likewise.
        calls: By path, the calls of the layers that these gradients came through.
        scale: The loss scale, or None.
        before: By path, the values of the variables before the update.
        after: By path, their values after it; empty where the update is not measured.
        drop: Is told what can't be measured and why, which costs that tensor and not the record.
    """

    step: tf.Tensor
    gradients: Mapping[str, Gradient]
    penalties: Mapping[str, tf.Tensor]
    calls: Mapping[str, Sequence[Call]]
    scale: tf.Tensor | None
    before: Mapping[str, tf.Tensor]
    after: Mapping[str, tf.Tensor]
    drop: Callable[[Key, Exception], None] | None = None

    def undisturbing(self, handed: Sequence[tf.Tensor]) -> Measurement:
        """Returns the same measurement of tensors that may be read without consequences.

        Args:
            handed: The gradients that the optimizer was handed, the values of IndexedSlices.
        """
        tensors = dense_parts(self.gradients.values())
        for calls in self.calls.values():
            tensors += [call.value for call in calls]
            tensors += dense_parts(c.gradient for c in calls if c.gradient is not None)
        if tf.executing_eagerly() or not tensors:
            return self
        graph = tensors[0].graph  # the default graph may be that of a condition
        if any(tensor.graph is not graph for tensor in [*tensors, *handed]):
            return self  # an optimizer in a `tf.cond` of the user's reads them where that begins
        roots = [tensor.op for tensor in handed]
        roots += [op for op in graph.get_operations() if op.op_def and op.op_def.is_stateful]
        copy_of = dict(zip(map(id, tensors), copies(tensors, roots), strict=True))
        return dataclasses.replace(
            self,
            gradients={path: _replaced(g, copy_of) for path, g in self.gradients.items()},
            calls={path: _replaced_calls(calls, copy_of) for path, calls in self.calls.items()},
        )

    def store(self, slot: tf.Tensor | int, plan: Plan, table: Table) -> None:
        """Fills the rows of this step in a slot of the table."""
        tensors = self._tensors(plan)
        try:
            found = _sketched(tensors, plan)
        except Exception:
            if self.drop is None:
                raise
            found = _sketched(self._measurable(tensors, plan, self.drop), plan)
        if found is None:
            return
        keys, sketches = found
        extras = self._extras(plan)
        none = tf.zeros([NUM_EXTRAS], tf.float64), NO_EXTRAS
        numbers, known = zip(*(extras.get(key, none) for key in keys), strict=True)
        rows = [plan.row_of[key] for key in keys]
        table.store(slot, self.step, rows, sketches, tf.stack(numbers), known)
        masks = self._masks(plan)
        if masks:
            table.store_active(slot, list(masks), tf.stack(list(masks.values())))

    @staticmethod
    def _measurable(
        tensors: Mapping[Key, Gradient], plan: Plan, drop: Callable[[Key, Exception], None]
    ) -> dict[Key, Gradient]:
        """Returns the tensors that can be sketched each by itself."""
        kept = {}
        for key, tensor in tensors.items():
            try:
                _sketched({key: tensor}, plan)
                kept[key] = tensor
            except Exception as error:  # noqa: BLE001 - whatever it is, it is of this tensor
                drop(key, error)
        return kept

    def _tensors(self, plan: Plan) -> dict[Key, Gradient]:
        """Returns what is to be sketched."""
        tensors: dict[Key, Gradient] = {}
        for path, gradient in self.gradients.items():
            tensors[GRADIENT, path] = gradient
            if plan.choice.weights:
                tensors[WEIGHT, path] = self.before[path]
        for path, penalty in self.penalties.items():
            tensors[REGULARIZATION_GRADIENT, path] = penalty
            tensors[LOSS_GRADIENT, path] = tf.convert_to_tensor(self.gradients[path]) - penalty
        for path, calls in self.calls.items():
            tensors[ACTIVATION, path] = _joined([call.value for call in calls])
            upstream = [_dense(call) for call in calls if call.gradient is not None]
            if upstream:
                tensors[ACTIVATION_GRADIENT, path] = divided(_joined(upstream), self.scale)
        return {key: _on_values(as_real, tensor) for key, tensor in tensors.items()}

    def _extras(self, plan: Plan) -> dict[Key, Extras]:
        """Returns the numbers beside the sketches, float64 `[2]` each, and which are known.

        Of a gradient's row these are the norms of the update and of the variable, of an
        activation's row the share of saturated outputs and the number of examples.
        """
        extras: dict[Key, Extras] = {}
        for path, calls in self.calls.items():
            extras[ACTIVATION, path] = _shares(calls, plan.layers[path].bounds)
        if self.after:
            updates = [as_real(self.after[path] - self.before[path]) for path in self.after]
            both = norms([*updates, *(as_real(self.before[path]) for path in self.after)])
            pairs = tf.unstack(tf.transpose(tf.reshape(both, [2, -1])), num=len(updates))
            known = (True,) * NUM_EXTRAS
            extras |= {(GRADIENT, p): (x, known) for p, x in zip(self.after, pairs, strict=True)}
        return extras

    def _masks(self, plan: Plan) -> dict[int, tf.Tensor]:
        """Returns the active units of the rectifying layers, by the number of the layer."""
        masks = {}
        for path, calls in self.calls.items():
            axis = plan.layers[path].unit_axis
            values = [call.value for call in calls]
            widths = {value.shape[axis] if value.shape.rank else None for value in values}
            if path in plan.mask_of and len(widths) == 1 and all(widths):
                masks[plan.mask_of[path]] = _active(values, axis)
        return masks


def dense_parts(gradients: Iterable[Gradient]) -> list[tf.Tensor]:
    """Returns the gradients themselves, and the values of IndexedSlices."""
    return [g.values if isinstance(g, tf.IndexedSlices) else g for g in gradients]


def _on_values(function: Callable[[tf.Tensor], tf.Tensor], gradient: Gradient) -> Gradient:
    """Returns what a function makes of a gradient, of IndexedSlices with their indices."""
    if isinstance(gradient, tf.IndexedSlices):
        values = function(gradient.values)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return function(gradient)


def _replaced(gradient: Gradient, copy_of: Mapping[int, tf.Tensor]) -> Gradient:
    return _on_values(lambda values: copy_of[id(values)], gradient)


def _replaced_calls(calls: Sequence[Call], copy_of: Mapping[int, tf.Tensor]) -> list[Call]:
    return [
        dataclasses.replace(
            call,
            value=copy_of[id(call.value)],
            gradient=None if call.gradient is None else _replaced(call.gradient, copy_of),
        )
        for call in calls
    ]


def divided(gradient: Gradient, scale: tf.Tensor | None) -> Gradient:
    """Returns a gradient without the loss scale."""
    if scale is None:
        return gradient
    return _on_values(lambda values: _quotient(values, scale), gradient)


def _quotient(values: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    if values.dtype.is_complex:
        return values / tf.cast(scale, values.dtype)
    # Widen first: a gradient that needs a loss scale would vanish without it in float16.
    dtype = tf.float64 if values.dtype == tf.float64 else tf.float32
    return tf.cast(values, dtype) / tf.cast(scale, dtype)


def penalty_gradient(
    regularizer: Callable[[tf.Tensor], tf.Tensor], value: tf.Tensor, by_penalty: tf.Tensor
) -> tf.Tensor:
    """Returns what a regularizer adds to the gradient of its variable.

    Args:
        regularizer: The regularizer.
        value: The value of the variable that the loss was computed with.
        by_penalty: dL/d(penalty), a scalar: how much the penalty counts in the loss.
    """
    with tf.GradientTape() as tape:
        tape.watch(value)
        penalty = regularizer(value)
    by_penalty = tf.cast(by_penalty, penalty.dtype)
    return tape.gradient(penalty, value, by_penalty, tf.UnconnectedGradients.ZERO)


def _sketched(tensors: Mapping[Key, Gradient], plan: Plan) -> tuple[list[Key], TensorSketch] | None:
    """Returns the sketches of tensors, and their keys in the same order; None without any."""
    if not tensors:
        return None
    sparse = {key: t for key, t in tensors.items() if isinstance(t, tf.IndexedSlices)}
    large = {key: t for key, t in tensors.items() if key not in sparse and _is_large(t)}
    # Outputs apart from gradients: one tensor with zeros has those of its whole group counted.
    small: list[dict[Key, tf.Tensor]] = [{}, {}]
    for key, tensor in tensors.items():
        if key not in sparse and key not in large:
            small[key[0] in SKETCHES_OF_LAYERS][key] = tensor
    parts = [sketch_all(list(group.values())) for group in small if group]
    parts += [sketch_all([tensor]) for tensor in large.values()]
    for (_, path), slices in sparse.items():
        counts, moments = sketch_slices(slices, plan.sizes[path])
        parts.append(TensorSketch(counts[tf.newaxis], moments[tf.newaxis]))
    columns = (tf.concat(column, axis=0) for column in zip(*parts, strict=True))
    return [*small[0], *small[1], *large, *sparse], TensorSketch(*columns)


def _dense(call: Call) -> tf.Tensor:
    """Returns the gradient of a call as a dense tensor: that of `tf.gather` is IndexedSlices."""
    gradient = call.gradient
    if isinstance(gradient, tf.IndexedSlices):
        rows = tf.shape(call.value, gradient.indices.dtype)[0]
        return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, rows)
    return gradient


def _is_large(tensor: tf.Tensor) -> bool:
    if tensor.shape.rank is None:
        return False
    sizes = [_USUAL_BATCH if size is None else size for size in tensor.shape]
    return int(np.prod(sizes, dtype=np.int64)) >= _LARGE


def _joined(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns all elements of the tensors of several calls as one tensor."""
    if len(tensors) == 1:
        return tensors[0]
    if len({tensor.dtype for tensor in tensors}) > 1:  # under a policy that the layer is exempt of
        wide = tf.float64 if any(t.dtype == tf.float64 for t in tensors) else tf.float32
        tensors = [tf.cast(tensor, wide) for tensor in tensors]
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def _shares(calls: Sequence[Call], bounds: Bounds | None) -> Extras:
    """Returns the share of saturated outputs and the number of examples."""
    values = _joined([call.value for call in calls])
    none = tf.zeros([], tf.float64)
    if values.dtype.is_complex:
        bounds = None
    saturated = none if bounds is None else saturated_share(values, bounds)
    examples = tf.cast(_examples_of(calls[0]), tf.float64)
    return tf.stack([saturated, examples]), (bounds is not None, True)


def _examples_of(call: Call) -> tf.Tensor:
    """Returns the length of the first axis of an output; a scalar is one example."""
    if call.examples is not None:
        return call.examples
    return tf.concat([tf.shape(call.value), [1]], axis=0)[0]


def _active(values: Sequence[tf.Tensor], axis: int) -> tf.Tensor:
    """Returns which units of a rectifying layer are other than zero on any example.

    Returns:
        bool `[MAX_UNITS]`, False beyond the last unit.
    """
    active = tf.reduce_any(tf.stack([_active_in(value, axis) for value in values]), axis=0)
    active = active[:MAX_UNITS]
    return tf.pad(active, [[0, MAX_UNITS - active.shape[0]]])


def _active_in(value: tf.Tensor, axis: int) -> tf.Tensor:
    others = [i for i in range(value.shape.rank) if i != axis % value.shape.rank]
    # NaN is no sign of death. `not (max <= 0)` would forget it: Grappler makes `> 0` of that, and
    # the maximum passes over NaN under XLA.
    return tf.reduce_any(tf.not_equal(value, 0), axis=others)

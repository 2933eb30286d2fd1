"""Gathers everything that belongs to one update, while the step is traced or runs eagerly.

These are the gradients that an optimizer receives, the calls of the layers that they came through,
the gradients of regularizers, and the variables before and after the update. `encode.py` turns them
into rows of the buffer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from vg_keras.capture.absences import Absences
from vg_keras.capture.buffer import Buffer
from vg_keras.capture.calls import BackwardPass, Call
from vg_keras.capture.due_steps import DueSteps
from vg_keras.capture.encode import Measurement
from vg_keras.capture.gradients import Gradient, as_tensor, dense_parts, divided, penalty_gradient
from vg_keras.capture.op_callbacks import suspended
from vg_keras.capture.optimizers import loss_scale, moments_of, summed_over_replicas
from vg_keras.capture.outputs import values_of
from vg_keras.capture.plan import FIRST_MOMENT, SECOND_MOMENT, Choice, Key, Plan
from vg_keras.capture.taps import Taps
from vg_keras.capture.trace_local import TraceLocal
from vg_keras.statistics.tensor_sketch import REAL_DTYPES


class _Number:
    """The number of the step in one trace.

    Read once for all optimizers of a step. If a variable is updated again, as in a Python loop over
    several batches, that is another step.

    Args:
        due_steps: Numbers the steps.
    """

    def __init__(self, due_steps: DueSteps) -> None:
        self._due_steps = due_steps
        self._step = due_steps.number()
        self._updated: set[str] = set()
        self._losses: list[tf.Tensor] = []
        self.data: list[tf.Tensor] = []
        """The floating-point tensors of the batch, until they are counted."""

    def of_update(self, paths: Collection[str]) -> tf.Tensor:
        """Returns the number of the step in which these variables are updated."""
        if self._updated.intersection(paths):
            self._step = self._due_steps.number()
            self._updated.clear()
        self._updated.update(paths)
        return self._step

    def new_losses(self, passes: Iterable[BackwardPass]) -> list[tf.Tensor]:
        """Returns the losses of backward passes, without those it has returned before."""
        losses = [target for backward in passes for target in backward.targets]
        known = {id(loss) for loss in self._losses}
        new = [loss for loss in losses if loss.dtype.is_floating and id(loss) not in known]
        self._losses += new
        return new

    def new_data(self) -> list[tf.Tensor]:
        """Returns the floating-point tensors of the batch at the first call."""
        data, self.data = self.data, []
        return data


class Gatherer:
    """Gatherer of the updates of one model.

    Args:
        model: The model.
        choice: What to measure.
        taps: The taps of the model.
        absences: Notes what can't be measured.
        due_steps: Decides which steps are kept.
        prepare: Returns the plan and the buffer, creating them at the first call.
        is_prepared: Whether the plan and the buffer exist.

    Attributes:
        number: The number of the step, in each trace.
        shapes: The output shapes of the layers, by path.
        without_gradient: Paths of the variables that the loss does not depend on, as far as known.
        num_stored: Number of updates stored, while tracing or in eager steps.
        num_traced: Number of updates stored while tracing.
    """

    def __init__(
        self,
        model: keras.Model,
        choice: Choice,
        taps: Taps,
        absences: Absences,
        due_steps: DueSteps,
        prepare: Callable[[], tuple[Plan, Buffer]],
        is_prepared: Callable[[], bool],
    ) -> None:
        self._model = model
        self._choice = choice
        self._taps = taps
        self._absences = absences
        self._due_steps = due_steps
        self._prepare = prepare
        self._is_prepared = is_prepared
        self.number = TraceLocal(lambda: _Number(due_steps))
        self.shapes: dict[str, tuple[int | None, ...]] = {}
        self.without_gradient: set[str] = set()
        self.num_stored = 0
        self.num_traced = 0

    def around_apply(
        self,
        optimizer: keras.optimizers.Optimizer,
        gradients: Sequence[Gradient | None],
        variables: Sequence[keras.Variable],
        apply: Callable[[], Any],
    ) -> Any:
        """Calls `apply`, and measures the gradients before it and the update after it."""
        if self._taps.is_silent or (not self._is_prepared() and not self._owns_any_of(variables)):
            return apply()  # in the latter case, it trains another model
        with tf.init_scope():  # variables must not belong to the function being traced
            self._prepare()
        finish = None
        with self._taps.guarded():
            finish = self._measure(gradients, variables, loss_scale(optimizer), optimizer)
        result = apply()
        if finish is not None:
            with self._taps.guarded():
                finish()
        return result

    def note_data(self, data: Any) -> None:
        """Notes the batch that the step in this thread and graph trains on."""
        if self._taps.is_silent:
            return
        with self._taps.guarded():
            values = map(values_of, keras.tree.flatten(data))
            self.number.here().data = [
                v for v in values if isinstance(v, tf.Tensor) and v.dtype in REAL_DTYPES
            ]

    def _owns_any_of(self, variables: Sequence[keras.Variable]) -> bool:
        own = self._model.trainable_variables
        ids = {id(v) for v in own} | {id(v.value) for v in own}
        return any(id(variable) in ids for variable in variables)

    def measure_gradients(
        self, gradients: Sequence[Gradient | None], variables: Sequence[keras.Variable]
    ) -> None:
        """Measures gradients that are not passed to an optimizer. Called inside the step."""
        finish = self._measure(gradients, variables, None)
        if finish is not None:
            finish()

    def _measure(
        self,
        gradients: Sequence[Gradient | None],
        variables: Sequence[keras.Variable],
        scale: tf.Tensor | None,
        optimizer: keras.optimizers.Optimizer | None = None,
    ) -> Callable[[], None] | None:
        """Gathers what is known before an update.

        Returns:
            A function to call after the update, or None if there is nothing to measure.
        """
        plan, _ = self._prepare()
        given = self._given(plan, gradients, variables)
        known = {path: as_tensor(g) for path, g in given.items() if g is not None}
        with suspended():
            number = self.number.here()
            step = number.of_update(given)
            trained = {id(v) for v in variables}
            calls, penalties, passes = self._take(plan, trained, list(known.values()))
            losses = number.new_losses(passes)
            known = self._absences.measurable_gradients(known)
            calls = self._absences.measurable_calls(calls)
            penalties = {path: penalties[path] for path in known if path in penalties}
            if not known and not calls:
                return None
            data = number.new_data()
            # Sum over replicas outside the condition that `when_due` may create: replicas must not
            # wait for each other inside a condition.
            summed = summed_over_replicas([*known.values(), *penalties.values()])
            summed = [divided(gradient, scale) for gradient in summed]
            by_penalty = dict(zip(penalties, summed[len(known) :], strict=True))
            wanted = known if self._choice.updates or self._choice.weights else penalties
            before = _values(plan, wanted)

        def finish() -> None:
            self.num_stored += 1
            self.num_traced += not tf.executing_eagerly()
            with suspended():
                measurement = Measurement(
                    step=step,
                    gradients=dict(zip(known, summed, strict=False)),
                    penalties={},
                    calls=calls,
                    scale=scale,
                    before=before,
                    after=_values(plan, known) if self._choice.updates else {},
                    moments=self._moments(plan, optimizer, variables),
                    losses=losses,
                    data=data,
                    drop=self._absences.note_failure,
                )
                received = dense_parts(known.values())
                self._due_steps.when_due(
                    step, lambda slot: self._store(slot, measurement, by_penalty, received)
                )

        return finish

    def _given(
        self,
        plan: Plan,
        gradients: Sequence[Gradient | None],
        variables: Sequence[keras.Variable],
    ) -> dict[str, Gradient | None]:
        """Returns the gradients of the measured variables by path, and notes those of None."""
        pairs = zip(map(plan.path_of.get, map(id, variables)), gradients, strict=True)
        given = {path: gradient for path, gradient in pairs if path is not None}
        self._absences.note_received(given)
        known = {path for path, gradient in given.items() if gradient is not None}
        self.without_gradient |= given.keys() - known
        self.without_gradient -= known
        return given

    def _moments(
        self,
        plan: Plan,
        optimizer: keras.optimizers.Optimizer | None,
        variables: Sequence[keras.Variable],
    ) -> dict[Key, tf.Tensor]:
        """Returns the optimizer's momentum and velocity after an update, by kind and path."""
        if optimizer is None or not self._choice.optimizer_state:
            return {}
        kinds = zip((FIRST_MOMENT, SECOND_MOMENT), moments_of(optimizer, variables), strict=True)
        return {
            (kind, plan.path_of[key]): tf.convert_to_tensor(value)
            for kind, kept in kinds
            for key, value in kept.items()
            if key in plan.path_of
        }

    def _store(
        self,
        slot: tf.Tensor | int,
        measurement: Measurement,
        by_penalty: Mapping[str, tf.Tensor],
        received: Sequence[tf.Tensor],
    ) -> None:
        """Stores a measurement, inside the condition that the step is due.

        Anything that only a recorded step needs is computed here.

        Args:
            slot: The slot of the buffer.
            measurement: The measurement, without the gradients of regularizers.
            by_penalty: dL/d(penalty) by path of the variable.
            received: The gradients that the optimizer received; of IndexedSlices, the values.
        """
        plan, buffer = self._prepare()
        with self._taps.paused():
            added = {
                path: penalty_gradient(
                    plan.variables[path].regularizer, measurement.before[path], by
                )
                for path, by in by_penalty.items()
            }
        if not getattr(self._model, "jit_compile", False):  # XLA fuses differently
            measurement = measurement.undisturbing(received)
        dataclasses.replace(measurement, penalties=added).store(slot, plan, buffer)

    def _take(
        self, plan: Plan, variables: set[int], gradients: Sequence[Gradient]
    ) -> tuple[dict[str, list[Call]], dict[str, tf.Tensor], list[BackwardPass]]:
        """Returns the calls and penalties that belong to the gradients of these variables.

        Returns:
            The calls of the layers that they train, by path of the layer; dL/d(penalty) by path of
            the variable; and the backward passes that the gradients come from.
        """
        trained = {p: at for p, at in plan.layers.items() if at.trained_with & variables}
        layers = [observed.layer for observed in trained.values()]
        taken, passes = self._taps.take(layers, dense_parts(gradients))
        calls = {p: taken[id(at.layer)] for p, at in trained.items() if id(at.layer) in taken}
        for path, of_layer in calls.items():
            self.shapes[path] = _common_shape([call.value.shape for call in of_layer])
        penalties = self._taps.take_penalties(passes)
        by_path = {path: penalties.get(id(v)) for path, v in plan.variables.items()}
        return calls, {path: by for path, by in by_path.items() if by is not None}, passes


def _values(plan: Plan, paths: Iterable[str]) -> dict[str, tf.Tensor]:
    return {path: tf.convert_to_tensor(plan.variables[path]) for path in paths}


def _common_shape(shapes: Sequence[tf.TensorShape]) -> tuple[int | None, ...]:
    """Returns the first shape, with None for each size in which another shape differs.

    For an unknown rank it is `(None,)`.
    """
    first, *others = shapes
    if first.rank is None:
        return (None,)
    return tuple(
        size if all(other.rank == first.rank and other[i] == size for other in others) else None
        for i, size in enumerate(first)
    )

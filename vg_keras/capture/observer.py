"""Measures the steps of one model: what its layers put out, what trains it, what that changes.

Values are observed where the step computes them. `taps.py` sees the outputs of layers and what is
backpropagated to them, `optimizers.py` what an optimizer is handed and when it has done its work.
Here the two are put together; `measurement.py` makes rows of a table of that, `record_maker.py`
makes records of the table, and `absences.py` says what of the plan is missing in them.

The variables of a model may not exist before its first step: without an input shape Keras builds it
while it traces the train function. Then everything here that needs them waits until the first
gradients are handed to the optimizer in that trace.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from vg_keras.capture import claims
from vg_keras.capture.absences import Absences
from vg_keras.capture.calls import Call
from vg_keras.capture.layers import is_observed
from vg_keras.capture.measurement import (
    Measurement,
    dense_parts,
    divided,
    penalty_gradient,
)
from vg_keras.capture.model import describe, is_built
from vg_keras.capture.op_callbacks import suspended
from vg_keras.capture.optimizers import Gradient, intercepted, loss_scale, summed_over_replicas
from vg_keras.capture.per_step import PerStep
from vg_keras.capture.plan import Choice, Plan
from vg_keras.capture.record_maker import RecordMaker
from vg_keras.capture.slots import Slots
from vg_keras.capture.table import Table
from vg_keras.capture.taps import Taps
from vg_keras.record import ModelDescription, Record


class Observer:
    """Measures the steps of one model.

    Args:
        model: The model, built or not.
        optimizers: Those that train it.
        counter: Counts the steps.
        choice: What is measured.
        slots: Which steps are kept.
        strategy: Under which the steps are run.

    Raises:
        ValueError: A filter lets nothing through. Where the model is not built, that comes at its
            first step.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizers: Sequence[keras.optimizers.Optimizer],
        counter: keras.Variable,
        choice: Choice,
        slots: Slots,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._model = model
        self._optimizers = optimizers
        self._counter = counter
        self._choice = choice
        self._slots = slots
        observes = is_observed if choice.activations is not False else _nothing
        self._taps = Taps(model, observes, self._warn_of)
        self._number = PerStep(self._read_number)
        self._prepared: tuple[Plan, Table] | None = None
        self._maker: RecordMaker | None = None
        self._shapes: dict[str, tuple[int | None, ...]] = {}
        self._without_gradient: set[str] = set()
        self._absences = Absences(self._taps)
        self._has_failed = False
        self.description: ModelDescription | None = None
        """The model as its first recorded step has shown it."""
        if is_built(model):
            with strategy.scope():
                self._prepare()

    @property
    def model_name(self) -> str:
        """The name of the model."""
        return self._model.name

    @property
    def keeps_every_step(self) -> bool:
        """Tells whether each execution must leave a record: it may not where it has many steps."""
        return self._slots.num_slots == 1

    @property
    def was_handed_nothing(self) -> bool:
        """Whether no optimizer has been handed a gradient of a monitored variable so far."""
        return not self._has_failed and not self._absences.handed

    @property
    def step(self) -> int:
        """Number of the step that comes next."""
        # Not int(): under a strategy that is a TypeError.
        return int(tf.convert_to_tensor(self._counter).numpy())

    def begin_execution(self, first: int) -> None:
        """Empties what the last execution kept; `first` is the first step that is due."""
        self._slots.begin_execution(first)
        if self._prepared is not None:
            self._prepared[1].empty()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Sees all that the model and its optimizers do; afterwards they are as they were."""
        with (
            claims.alone_with(self._model),
            self._taps.installed(),
            intercepted(self._optimizers, self._around_apply),
        ):
            try:
                yield
            finally:
                self._number.forget()  # eager tensors are not to be kept

    def begin_step(self) -> None:
        """Forgets in this thread what an earlier step, or an earlier trace of it, has left."""
        self._number.begin()
        self._taps.begin_step()

    def read(self) -> list[Record]:
        """Returns the records of the steps kept since `begin_execution`, in their order."""
        if self._prepared is None:
            return []
        plan, table = self._prepared
        with suspended():
            kept = list(table.read())
        if kept and self._maker is None:
            called = list(self._taps.called)
            self.description = describe(
                self._model, plan.variables, plan.paths, self._shapes, called
            )
            self._maker = RecordMaker(plan, self.description)
        maker, without_gradient = self._maker, self._without_gradient
        return [maker.record(replicas, without_gradient) for replicas in kept if maker]

    def absences(self, is_final: bool) -> list[str]:
        """Returns a sentence for each reason why something of the plan is not recorded.

        Args:
            is_final: Whether what no record has shown yet counts as missing.
        """
        return self._absences.sentences(self._prepared[0], is_final) if self._prepared else []

    def _prepare(self) -> tuple[Plan, Table]:
        """Makes what needs the variables of the model, unless it is made."""
        if self._prepared is None:
            plan = Plan(self._model, self._choice)
            table = Table(len(plan.row_of), len(plan.mask_of), self._slots.num_slots)
            self._slots.make_variables()
            self._prepared = plan, table
        return self._prepared

    def _around_apply(
        self,
        optimizer: keras.optimizers.Optimizer,
        gradients: Sequence[Gradient | None],
        variables: Sequence[keras.Variable],
        apply: Callable[[], Any],
    ) -> Any:
        """Measures what an optimizer is handed and what it does with it."""
        if self._prepared is None and not self._owns_any_of(variables):
            return apply()  # of another model
        with tf.init_scope():  # variables must not belong to the function that is traced
            self._prepare()
        finish = None
        with self._taps.guarded():
            finish = self._measure(gradients, variables, loss_scale(optimizer))
        result = apply()
        if finish is not None:
            with self._taps.guarded():
                finish()
        return result

    def _owns_any_of(self, variables: Sequence[keras.Variable]) -> bool:
        own = self._model.trainable_variables
        ids = {id(v) for v in own} | {id(v.value) for v in own}
        return any(id(variable) in ids for variable in variables)

    def measure_gradients(
        self, gradients: Sequence[Gradient | None], variables: Sequence[keras.Variable]
    ) -> None:
        """Measures gradients that no optimizer is handed, inside the step that takes them."""
        finish = self._measure(gradients, variables, None)
        if finish is not None:
            finish()

    def _measure(
        self,
        gradients: Sequence[Gradient | None],
        variables: Sequence[keras.Variable],
        scale: tf.Tensor | None,
    ) -> Callable[[], None] | None:
        """Takes what is known before an update.

        Returns:
            What is to be called after the update, or None where nothing of this is measured.
        """
        plan, _ = self._prepare()
        pairs = zip(map(plan.path_of.get, map(id, variables)), gradients, strict=True)
        given = {path: gradient for path, gradient in pairs if path is not None}
        known = {path: gradient for path, gradient in given.items() if gradient is not None}
        self._absences.note_handed(given)
        self._without_gradient |= set(given) - set(known)
        self._without_gradient -= set(known)
        with suspended():
            step = self._number.here()
            calls, penalties = self._take(plan, {id(v) for v in variables}, list(known.values()))
            known = self._absences.measurable_gradients(known)
            calls = self._absences.measurable_calls(calls)
            penalties = {path: penalties[path] for path in known if path in penalties}
            if not known and not calls:
                return None
            # The sum over replicas stays outside of the condition that `when_due` may mean:
            # replicas must not wait for each other inside of one.
            summed = summed_over_replicas([*known.values(), *penalties.values()])
            summed = [divided(gradient, scale) for gradient in summed]
            by_penalty = dict(zip(penalties, summed[len(known) :], strict=True))
            wanted = known if self._choice.updates or self._choice.weights else penalties
            before = _values(plan, wanted)

        def finish() -> None:
            with suspended():
                measurement = Measurement(
                    step=step,
                    gradients=dict(zip(known, summed, strict=False)),
                    penalties={},
                    calls=calls,
                    scale=scale,
                    before=before,
                    after=_values(plan, known) if self._choice.updates else {},
                    drop=self._absences.note_failure,
                )
                handed = dense_parts(known.values())
                self._slots.when_due(
                    step, lambda slot: self._store(slot, measurement, by_penalty, handed)
                )

        return finish

    def _store(
        self,
        slot: tf.Tensor | int,
        measurement: Measurement,
        by_penalty: Mapping[str, tf.Tensor],
        handed: Sequence[tf.Tensor],
    ) -> None:
        """Stores a measurement, within the condition that the step is due.

        What only a recorded step needs is computed here.

        Args:
            slot: The slot of the table.
            measurement: The measurement, without what regularizers add.
            by_penalty: dL/d(penalty) by path of the variable.
            handed: The gradients that the optimizer was handed, the values of IndexedSlices.
        """
        plan, table = self._prepare()
        with self._taps.paused():
            added = {
                path: penalty_gradient(
                    plan.variables[path].regularizer, measurement.before[path], by
                )
                for path, by in by_penalty.items()
            }
        if not getattr(self._model, "jit_compile", False):  # XLA fuses in its own way
            measurement = measurement.undisturbing(handed)
        dataclasses.replace(measurement, penalties=added).store(slot, plan, table)

    def _take(
        self, plan: Plan, variables: set[int], gradients: Sequence[Gradient]
    ) -> tuple[dict[str, list[Call]], dict[str, tf.Tensor]]:
        """Returns what belongs to the gradients of these variables.

        Returns:
            The calls of the layers that they train, by path of the layer, and dL/d(penalty) by path
            of the variable.
        """
        trained = {p: at for p, at in plan.layers.items() if at.trained_with & variables}
        layers = [observed.layer for observed in trained.values()]
        taken, passes = self._taps.take(layers, dense_parts(gradients))
        calls = {p: taken[id(at.layer)] for p, at in trained.items() if id(at.layer) in taken}
        for path, of_layer in calls.items():
            self._shapes[path] = _common_shape([call.value.shape for call in of_layer])
        penalties = self._taps.take_penalties(passes)
        by_path = {path: penalties.get(id(v)) for path, v in plan.variables.items()}
        return calls, {path: by for path, by in by_path.items() if by is not None}

    def _read_number(self) -> tf.Tensor:
        """Returns what the counter reads, before any optimizer counts it up in this step."""
        return tf.identity(tf.convert_to_tensor(self._counter, tf.int64))

    def _warn_of(self, error: Exception) -> None:
        """Turns an error of the measuring itself into one warning: the training goes on."""
        if self._has_failed:
            return
        self._has_failed = True
        warnings.warn(
            f"GradientMonitor could not measure a step of the model {self._model.name!r}: "
            f"{error!r}. Training goes on.",
            stacklevel=2,
        )


def _values(plan: Plan, paths: Iterable[str]) -> dict[str, tf.Tensor]:
    return {path: tf.convert_to_tensor(plan.variables[path]) for path in paths}


def _common_shape(shapes: Sequence[tf.TensorShape]) -> tuple[int | None, ...]:
    """Returns the shape of the first, with None for each size in which any other differs.

    Of a tensor of unknown rank it is `(None,)`.
    """
    first, *others = shapes
    if first.rank is None:
        return (None,)
    return tuple(
        size if all(other.rank == first.rank and other[i] == size for other in others) else None
        for i, size in enumerate(first)
    )


def _nothing(layer: keras.layers.Layer) -> bool:
    return False

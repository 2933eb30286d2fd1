"""Measures the steps of one model: what its layers put out, what trains it, what that changes.

Values are observed where the step computes them. `taps.py` sees the outputs of layers and what is
backpropagated to them, `optimizers.py` what an optimizer is handed and when it has done its work.
Here the two are put together; `measurement.py` makes rows of a table of that, `record_maker.py`
makes records of the table, and `absences.py` says what of the plan is missing in them.

An observer is shared by all monitors that measure the same things of a model, so it holds no state
of a single monitor.

The variables of a model may not exist before its first step: without an input shape Keras builds it
while it traces the train function. Then everything here that needs them waits until the first
gradients are handed to the optimizer in that trace.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import keras
import tensorflow as tf

from vg_keras.capture import claims
from vg_keras.capture.absences import Absences
from vg_keras.capture.calls import Call
from vg_keras.capture.function_twins import FunctionTwins
from vg_keras.capture.layers import is_observed
from vg_keras.capture.measurement import (
    Measurement,
    dense_parts,
    divided,
    penalty_gradient,
)
from vg_keras.capture.model import describe, is_built
from vg_keras.capture.op_callbacks import suspended
from vg_keras.capture.optimizers import (
    Gradient,
    counts_of,
    intercepted,
    loss_scale,
    moments_of,
    summed_over_replicas,
)
from vg_keras.capture.per_step import PerStep
from vg_keras.capture.plan import FIRST_MOMENT, SECOND_MOMENT, Choice, Key, Plan
from vg_keras.capture.record_maker import RecordMaker
from vg_keras.capture.slots import Slots
from vg_keras.capture.table import Rows, Table, bytes_of_slot
from vg_keras.capture.taps import Taps
from vg_keras.capture.tf_functions import ConcreteFunction, PolymorphicFunction
from vg_keras.record import ModelDescription

MAX_TABLE_BYTES = 1 << 25
"""Memory for the steps of one execution. An execution that would keep more is run in parts, where
it can be split."""


class Observer:
    """Measures the steps of one model.

    Args:
        model: The model, built or not.
        optimizers: Those that train it.
        choice: What is measured.
        slots: Which steps are kept.
        strategy: Under which the steps are run.
        traces_own: Whether the user's own functions also run, in steps that are not recorded.

    Raises:
        ValueError: A filter lets nothing through. Where the model is not built, that comes at its
            first step.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizers: Sequence[keras.optimizers.Optimizer],
        choice: Choice,
        slots: Slots,
        strategy: tf.distribute.Strategy,
        traces_own: bool = False,
    ) -> None:
        self._model = model
        self._optimizers = optimizers
        self._choice = choice
        self._slots = slots
        self._strategy = strategy
        observes = is_observed if choice.activations is not False else _nothing
        self._taps = Taps(model, observes, self._note_error)
        self._twins = FunctionTwins(self, traces_own)
        self._number = PerStep(slots.number)
        self._prepared: tuple[Plan, Table] | None = None
        self._shapes: dict[str, tuple[int | None, ...]] = {}
        self.without_gradient: set[str] = set()
        """Paths of the variables to which the loss has no connection, as far as is known."""
        self._absences = Absences(self._taps)
        self._has_failed = False
        self.failures: list[str] = []
        """Sentences that say why something could not be recorded."""
        self._is_watching = False
        self.was_traced = False
        """Whether `fit` runs a traced step. The trace has every optimizer call that can happen."""
        self.num_stored = 0
        self.num_traced = 0
        """How often a step that is recorded was traced."""
        self.description: ModelDescription | None = None
        """The model as its first recorded step has shown it."""
        with strategy.scope():
            slots.make_variables()
        self.prepare()

    @property
    def model_name(self) -> str:
        """The name of the model."""
        return self._model.name

    @property
    def counts(self) -> dict[int, int]:
        """What each optimizer has counted; see `counts_of`."""
        return counts_of(self._optimizers)

    @property
    def num_steps(self) -> int:
        """Number of steps that one execution may run."""
        return self._slots.num_steps

    @property
    def was_handed_nothing(self) -> bool:
        """Whether no optimizer has been handed a gradient of a monitored variable so far."""
        return not self.failures and not self._absences.handed

    @property
    def cannot_record(self) -> bool:
        """Whether no step can leave a record, as the traced one hands no optimizer a gradient."""
        return self.was_traced and not self._absences.handed

    def prepare(self) -> None:
        """Creates the plan and the table once the model is built."""
        if self._prepared is None and is_built(self._model):
            plan = Plan(self._model, self._choice)
            size = bytes_of_slot(len(plan.row_of), len(plan.mask_of))
            self._slots.fit_into(max(MAX_TABLE_BYTES // max(size, 1), 1))
            with self._strategy.scope():
                self._prepare(plan)

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Empties what the last execution kept.

        Args:
            first: The first step that is due.
            start: The first step of the execution, by default the same.
        """
        self._slots.begin_execution(first, start)
        if self._prepared is not None:
            self._prepared[1].empty()

    def continue_execution(self) -> None:
        """Empties what a part of an execution kept, before the next part."""
        self._slots.continue_execution()
        if self._prepared is not None:
            self._prepared[1].empty()

    def noting_traces(self) -> AbstractContextManager[None]:
        """Notes which functions of the user's are traced for the first time, before `watching`."""
        return self._twins.noting(self._strategy)

    @contextmanager
    def watching(self, left_alone: Collection[PolymorphicFunction] = ()) -> Iterator[None]:
        """Observes the model and its optimizers. On exit they are as before.

        Args:
            left_alone: Functions that are made for the recorded step; see `function_twins.py`.
        """
        with claims.alone_with(self._model):
            if self._is_watching:  # by another monitor of the same loop, which measures the same
                yield
                return
            self._is_watching = True
            try:
                with (
                    self._taps.installed(),
                    intercepted(self._optimizers, self._around_apply),
                    self._twins.installed(self._strategy, left_alone),
                ):
                    yield
            finally:
                self._is_watching = False
                self._number.forget()  # eager tensors are not to be kept

    def begin_step(self) -> None:
        """Forgets in this thread what an earlier step, or an earlier trace of it, has left."""
        self.was_traced = not tf.executing_eagerly()
        self._slots.begin_step()
        self._number.begin()
        self._taps.begin_step()

    @property
    def is_silent(self) -> bool:
        """Whether nothing is observed at the moment."""
        return self._taps.is_silent

    def silent(self) -> AbstractContextManager[None]:
        """Observes nothing: what is traced here is not part of the recorded step."""
        return self._taps.silent()

    def reads_model(self, trace: ConcreteFunction) -> bool:
        """Whether a function reads any trainable variable of the model."""
        captured = {id(tensor) for tensor in trace.captured_inputs}
        return any(
            id(part.handle) in captured
            for variable in self._model.trainable_variables
            for part in getattr(variable.value, "values", [variable.value])
        )

    def read(self) -> list[list[Rows]]:
        """Returns what was kept of each step since `begin_execution`: the rows of each replica."""
        if self._prepared is None:
            return []
        plan, table = self._prepared
        with suspended():
            kept = list(table.read())
        if kept and self.description is None:
            called = list(self._taps.called)
            self.description = describe(
                self._model, plan.variables, plan.paths, self._shapes, called
            )
        return kept

    def record_maker(self) -> RecordMaker:
        """Returns what makes records of the rows, of one training run."""
        plan, _ = self._prepare()
        if self.description is None:
            raise RuntimeError("Nothing has been read yet.")
        return RecordMaker(plan, self.description)

    def absences(self, is_final: bool) -> list[str]:
        """Returns a sentence for each reason why something of the plan is not recorded.

        Args:
            is_final: Whether what no record has shown yet counts as missing.
        """
        return self._absences.sentences(self._prepared[0], is_final) if self._prepared else []

    def _prepare(self, plan: Plan | None = None) -> tuple[Plan, Table]:
        """Makes what needs the variables of the model, unless it is made."""
        if self._prepared is None:
            plan = plan or Plan(self._model, self._choice)
            table = Table(len(plan.row_of), len(plan.mask_of), self._slots.num_slots)
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
        if self.is_silent or (self._prepared is None and not self._owns_any_of(variables)):
            return apply()  # the latter is of another model
        with tf.init_scope():  # variables must not belong to the function that is traced
            self._prepare()
        finish = None
        with self._taps.guarded():
            finish = self._measure(gradients, variables, loss_scale(optimizer), optimizer)
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
        optimizer: keras.optimizers.Optimizer | None = None,
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
        self.without_gradient |= set(given) - set(known)
        self.without_gradient -= set(known)
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
                    drop=self._absences.note_failure,
                )
                handed = dense_parts(known.values())
                self._slots.when_due(
                    step, lambda slot: self._store(slot, measurement, by_penalty, handed)
                )

        return finish

    def _moments(
        self,
        plan: Plan,
        optimizer: keras.optimizers.Optimizer | None,
        variables: Sequence[keras.Variable],
    ) -> dict[Key, tf.Tensor]:
        """Returns what an optimizer keeps of variables after an update, by kind and path."""
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

    def note_failure(self, sentence: str) -> None:
        """Takes a sentence that says why something is not recorded, for every monitor to say."""
        if sentence not in self.failures:
            self.failures.append(sentence)

    def _note_error(self, error: Exception) -> None:
        """Notes an error of the measuring itself: the training goes on."""
        if not self._has_failed:
            self._has_failed = True
            self.note_failure(
                f"GradientMonitor could not measure a step of the model {self._model.name!r}: "
                f"{error!r}. Training goes on."
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

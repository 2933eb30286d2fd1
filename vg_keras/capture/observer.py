"""Measures the steps of one model: layer outputs, gradients and updates.

Values are observed where the step computes them, without a second forward or backward pass.
`taps.py` notes the outputs of layers and the gradients backpropagated to them, `optimizers.py`
intercepts what is passed to optimizers, and `gather.py` combines both. `encode.py` turns that into
rows of the buffer, `decode.py` turns the rows into records, and `absences.py` explains what is
missing in them. The observer connects these parts.

All monitors that measure the same things of a model share one observer, so it holds no state of a
single monitor.

The variables of a model may not exist before its first step: without an input shape, Keras builds
the model while it traces the train function. Then anything that needs them is created when the
first gradients are passed to the optimizer in that trace.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import keras
import tensorflow as tf

from vg_keras.capture import thread_claims
from vg_keras.capture.absences import Absences
from vg_keras.capture.buffer import Buffer, Rows, bytes_of_slot
from vg_keras.capture.decode import Decoder
from vg_keras.capture.describe import describe
from vg_keras.capture.due_steps import DueSteps
from vg_keras.capture.function_twins import FunctionTwins
from vg_keras.capture.gather import Gatherer
from vg_keras.capture.layers import is_observed
from vg_keras.capture.model_map import is_built
from vg_keras.capture.op_callbacks import suspended
from vg_keras.capture.optimizers import (
    counts_of,
    intercepted,
)
from vg_keras.capture.plan import Choice, Plan
from vg_keras.capture.taps import Taps
from vg_keras.capture.tf_functions import ConcreteFunction, PolymorphicFunction
from vg_keras.capture.unit_spread import unit_spreads
from vg_keras.record import ModelDescription

MAX_BUFFER_BYTES = 1 << 25
"""Memory for the steps of one execution. An execution that needs more is run in parts if it can be
split."""


class Observer:
    """Observer of the steps of one model.

    Args:
        model: The model, built or not.
        optimizers: The optimizers that train it.
        choice: What to measure.
        due_steps: Decides which steps are kept.
        strategy: The strategy that the steps run under.
        traces_own: Whether the user's own functions also run, in steps that are not recorded.

    Raises:
        ValueError: If a filter matches nothing. If the model is not built, this is raised at its
            first step.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizers: Sequence[keras.optimizers.Optimizer],
        choice: Choice,
        due_steps: DueSteps,
        strategy: tf.distribute.Strategy,
        traces_own: bool = False,
    ) -> None:
        self._model = model
        self._optimizers = optimizers
        self.choice = choice
        self._due_steps = due_steps
        self._strategy = strategy
        observes = is_observed if choice.activations is not False else _nothing
        self._taps = Taps(model, observes, self._note_error)
        self._twins = FunctionTwins(self, traces_own)
        self._prepared: tuple[Plan, Buffer] | None = None
        self._absences = Absences(self._taps)
        self._gatherer = Gatherer(
            model,
            choice,
            self._taps,
            self._absences,
            due_steps,
            self._prepare,
            lambda: self._prepared is not None,
        )
        self._has_failed = False
        self.failures: list[str] = []
        """Sentences that explain why something could not be recorded."""
        self._is_watching = False
        self.was_traced = False
        """Whether the step is traced. A trace contains every optimizer call that can happen."""
        self.description: ModelDescription | None = None
        """The description of the model, from its first recorded step."""
        with strategy.scope():
            due_steps.make_variables()
        self.prepare()

    @property
    def model_name(self) -> str:
        """The name of the model."""
        return self._model.name

    @property
    def counts(self) -> dict[int, int]:
        """The step counts of the optimizers; see `counts_of`."""
        return counts_of(self._optimizers)

    @property
    def without_gradient(self) -> set[str]:
        """Paths of the variables that the loss does not depend on, as far as known."""
        return self._gatherer.without_gradient

    @property
    def num_stored(self) -> int:
        """How many updates were stored, while tracing or in eager steps."""
        return self._gatherer.num_stored

    @property
    def num_traced(self) -> int:
        """How many updates were stored while tracing."""
        return self._gatherer.num_traced

    @property
    def path_of(self) -> Mapping[int, str]:
        """The paths of the measured variables, by the id of the variable."""
        return self._prepare()[0].path_of

    @property
    def measure_gradients(self) -> Callable[..., None]:
        """Measures gradients that reach no optimizer; see `Gatherer.measure_gradients`."""
        return self._gatherer.measure_gradients

    @property
    def num_steps(self) -> int:
        """Maximum number of steps that one execution runs."""
        return self._due_steps.num_steps

    @property
    def has_seen_no_gradient(self) -> bool:
        """Whether no optimizer has received a gradient of a monitored variable so far."""
        return not self.failures and not self._absences.received

    @property
    def cannot_record(self) -> bool:
        """Whether no step can be recorded, because the trace passes no gradient to an optimizer."""
        return self.was_traced and not self._absences.received

    def prepare(self) -> None:
        """Creates the plan and the buffer once the model is built."""
        if self._prepared is None and is_built(self._model):
            plan = Plan(self._model, self.choice)
            size = bytes_of_slot(len(plan.row_of), len(plan.mask_of))
            self._due_steps.fit_into(max(MAX_BUFFER_BYTES // max(size, 1), 1))
            with self._strategy.scope():
                self._prepare(plan)

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Empties the buffer before an execution.

        Args:
            first: The first step that is due.
            start: The first step of the execution. Defaults to `first`.
        """
        self._due_steps.begin_execution(first, start)
        if self._prepared is not None:
            self._prepared[1].empty()

    def continue_execution(self) -> None:
        """Empties the buffer before the next part of an execution."""
        self._due_steps.continue_execution()
        if self._prepared is not None:
            self._prepared[1].empty()

    def noting_traces(self) -> AbstractContextManager[None]:
        """Notes which of the user's functions are traced for the first time, before `watching`."""
        return self._twins.noting(self._strategy)

    @contextmanager
    def watching(self, left_alone: Collection[PolymorphicFunction] = ()) -> Iterator[None]:
        """Observes the model and its optimizers, and restores them on exit.

        Args:
            left_alone: Functions that were made for the recorded step; see `function_twins.py`.
        """
        with thread_claims.alone_with(self._model):
            if self._is_watching:  # by another monitor of the same loop that shares this observer
                yield
                return
            self._is_watching = True
            try:
                with (
                    self._taps.installed(),
                    intercepted(self._optimizers, self._gatherer.around_apply),
                    self._twins.installed(self._strategy, left_alone),
                ):
                    yield
            finally:
                self._is_watching = False
                self._gatherer.number.forget()  # don't keep eager tensors

    def begin_step(self, data: Any = ()) -> None:
        """Discards what an earlier step, or an earlier trace of it, left in this thread.

        Args:
            data: The batch that the step trains on, as far as known.
        """
        self.was_traced = not tf.executing_eagerly()
        self._due_steps.begin_step()
        self._gatherer.number.begin()
        self._taps.begin_step()
        self._gatherer.note_data(data)

    @property
    def is_silent(self) -> bool:
        """Whether observation is suspended."""
        return self._taps.is_silent

    def silent(self) -> AbstractContextManager[None]:
        """Suspends observation: anything traced here is not part of the recorded step."""
        return self._taps.silent()

    def reads_model(self, trace: ConcreteFunction) -> bool:
        """Whether a traced function reads any trainable variable of the model."""
        captured = {id(tensor) for tensor in trace.captured_inputs}
        return any(
            id(part.handle) in captured
            for variable in self._model.trainable_variables
            for part in getattr(variable.value, "values", [variable.value])
        )

    def read(self) -> list[list[Rows]]:
        """Returns, for each step kept since `begin_execution`, the rows of each replica."""
        if self._prepared is None:
            return []
        plan, buffer = self._prepared
        with suspended():
            kept = list(buffer.read())
        if kept and self.description is None:
            called = list(self._taps.called)
            self.description = describe(
                self._model, plan.variables, plan.paths, self._gatherer.shapes, called
            )
        return kept

    def unit_spreads(self) -> dict[str, float]:
        """Returns how much the units of each kernel differ now; see `unit_spread.py`."""
        if self._prepared is None:
            return {}
        with suspended():
            return unit_spreads(self._prepared[0].variables)

    def decoder(self) -> Decoder:
        """Returns a decoder for one training run."""
        if self.description is None:
            raise RuntimeError("Nothing has been read yet.")
        plan, _ = self._prepare()
        return Decoder(plan, self.description)

    def absences(self, is_final: bool) -> list[str]:
        """Returns one sentence for each planned quantity and reason why it is not recorded.

        Args:
            is_final: Whether quantities that have not been observed yet count as missing.
        """
        return self._absences.sentences(self._prepared[0], is_final) if self._prepared else []

    def _prepare(self, plan: Plan | None = None) -> tuple[Plan, Buffer]:
        """Returns the plan and the buffer, creating them at the first call."""
        if self._prepared is None:
            plan = plan or Plan(self._model, self.choice)
            buffer = Buffer(len(plan.row_of), len(plan.mask_of), self._due_steps.num_slots)
            self._prepared = plan, buffer
        return self._prepared

    def note_failure(self, sentence: str) -> None:
        """Notes a sentence that explains why something is not recorded, for all monitors."""
        if sentence not in self.failures:
            self.failures.append(sentence)

    def _note_error(self, error: Exception) -> None:
        """Notes the first error of the measurement itself; training goes on."""
        if not self._has_failed:
            self._has_failed = True
            self.note_failure(
                f"GradientMonitor could not measure a step of the model {self._model.name!r}: "
                f"{error!r}. Training goes on."
            )


def _nothing(layer: keras.layers.Layer) -> bool:
    return False

"""Measures the steps of one model: what its layers put out, what trains it, what that changes.

Values are observed where the step computes them. `taps.py` sees the outputs of layers and what is
backpropagated to them, `optimizers.py` what an optimizer is handed and when it has done its work.
Here the two are put together; `encode.py` makes rows of a buffer of that, `decode.py`
makes records of the buffer, and `absences.py` says what of the plan is missing in them.

An observer is shared by all monitors that measure the same things of a model, so it holds no state
of a single monitor.

The variables of a model may not exist before its first step: without an input shape Keras builds it
while it traces the train function. Then everything here that needs them waits until the first
gradients are handed to the optimizer in that trace.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import keras
import tensorflow as tf

from vg_keras.capture import claims
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
from vg_keras.record import ModelDescription

MAX_BUFFER_BYTES = 1 << 25
"""Memory for the steps of one execution. An execution that would keep more is run in parts, where
it can be split."""


class Observer:
    """Measures the steps of one model.

    Args:
        model: The model, built or not.
        optimizers: Those that train it.
        choice: What is measured.
        due_steps: Which steps are kept.
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
        """Sentences that say why something could not be recorded."""
        self._is_watching = False
        self.was_traced = False
        """Whether `fit` runs a traced step. The trace has every optimizer call that can happen."""
        self.description: ModelDescription | None = None
        """The model as its first recorded step has shown it."""
        with strategy.scope():
            due_steps.make_variables()
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
    def without_gradient(self) -> set[str]:
        """Paths of the variables to which the loss has no connection, as far as is known."""
        return self._gatherer.without_gradient

    @property
    def num_stored(self) -> int:
        """How often something was stored, while tracing or in an eager step."""
        return self._gatherer.num_stored

    @property
    def num_traced(self) -> int:
        """How often a step that is recorded was traced."""
        return self._gatherer.num_traced

    @property
    def measure_gradients(self) -> Callable[..., None]:
        """Measures gradients that no optimizer is handed; see `Gatherer.measure_gradients`."""
        return self._gatherer.measure_gradients

    @property
    def num_steps(self) -> int:
        """Number of steps that one execution may run."""
        return self._due_steps.num_steps

    @property
    def was_handed_nothing(self) -> bool:
        """Whether no optimizer has been handed a gradient of a monitored variable so far."""
        return not self.failures and not self._absences.handed

    @property
    def cannot_record(self) -> bool:
        """Whether no step can leave a record, as the traced one hands no optimizer a gradient."""
        return self.was_traced and not self._absences.handed

    def prepare(self) -> None:
        """Creates the plan and the buffer once the model is built."""
        if self._prepared is None and is_built(self._model):
            plan = Plan(self._model, self.choice)
            size = bytes_of_slot(len(plan.row_of), len(plan.mask_of))
            self._due_steps.fit_into(max(MAX_BUFFER_BYTES // max(size, 1), 1))
            with self._strategy.scope():
                self._prepare(plan)

    def begin_execution(self, first: int, start: int | None = None) -> None:
        """Empties what the last execution kept.

        Args:
            first: The first step that is due.
            start: The first step of the execution, by default the same.
        """
        self._due_steps.begin_execution(first, start)
        if self._prepared is not None:
            self._prepared[1].empty()

    def continue_execution(self) -> None:
        """Empties what a part of an execution kept, before the next part."""
        self._due_steps.continue_execution()
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
                    intercepted(self._optimizers, self._gatherer.around_apply),
                    self._twins.installed(self._strategy, left_alone),
                ):
                    yield
            finally:
                self._is_watching = False
                self._gatherer.number.forget()  # eager tensors are not to be kept

    def begin_step(self) -> None:
        """Forgets in this thread what an earlier step, or an earlier trace of it, has left."""
        self.was_traced = not tf.executing_eagerly()
        self._due_steps.begin_step()
        self._gatherer.number.begin()
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
        plan, buffer = self._prepared
        with suspended():
            kept = list(buffer.read())
        if kept and self.description is None:
            called = list(self._taps.called)
            self.description = describe(
                self._model, plan.variables, plan.paths, self._gatherer.shapes, called
            )
        return kept

    def decoder(self) -> Decoder:
        """Returns what makes records of the rows, of one training run."""
        plan, _ = self._prepare()
        if self.description is None:
            raise RuntimeError("Nothing has been read yet.")
        return Decoder(plan, self.description)

    def absences(self, is_final: bool) -> list[str]:
        """Returns a sentence for each reason why something of the plan is not recorded.

        Args:
            is_final: Whether what no record has shown yet counts as missing.
        """
        return self._absences.sentences(self._prepared[0], is_final) if self._prepared else []

    def _prepare(self, plan: Plan | None = None) -> tuple[Plan, Buffer]:
        """Makes what needs the variables of the model, unless it is made."""
        if self._prepared is None:
            plan = plan or Plan(self._model, self.choice)
            buffer = Buffer(len(plan.row_of), len(plan.mask_of), self._due_steps.num_slots)
            self._prepared = plan, buffer
        return self._prepared

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


def _nothing(layer: keras.layers.Layer) -> bool:
    return False

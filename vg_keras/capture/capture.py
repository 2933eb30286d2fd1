"""Records the gradients of one model: all that the callback holds of it.

The variables of a model may not exist before its first step: without an input shape Keras builds it
while it traces the train function. Then everything here that needs them waits until the first
gradients are handed to the optimizer in that trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from vg_keras.capture.gradient_variables import GradientVariables
from vg_keras.capture.model import VariableFilter, describe, is_built, named_variables, select
from vg_keras.capture.optimizers import Gradient
from vg_keras.capture.train_function import RecordingTrainFunction, step_counter
from vg_keras.record import ModelDescription, Record


class Capture:
    """Records the gradients of one model.

    Args:
        model: A compiled model whose train function has been made.
        variables: Which trainable variables to record; see `model.select`.
        every: A step is due when it is a multiple of this.

    Raises:
        ValueError: The model has no optimizer, or the filter lets no variable through. Where the
            model is not built, the latter comes at its first step.
    """

    def __init__(self, model: keras.Model, variables: VariableFilter, every: int) -> None:
        self.steps_per_execution: int = model.steps_per_execution
        self._model = model
        self._filter = variables
        self._every = every
        self._counter = step_counter(model)
        self._first = 0
        self._step = tf.zeros([], tf.int64)
        self._gradients: GradientVariables | None = None
        self._description: ModelDescription | None = None
        if is_built(model):
            with model.distribute_strategy.scope():
                self._prepare()
        self._function = RecordingTrainFunction(model, self)

    @property
    def step(self) -> int:
        """Number of the step that comes next."""
        # Not int(): under a strategy that is a TypeError.
        return int(tf.convert_to_tensor(self._counter).numpy())

    def serves(self, model: keras.Model) -> bool:
        """Tells whether this still fits the model: not after another `compile`, for example."""
        return self._function.belongs_to(model)

    def record_next(
        self, first: int, receive: Callable[[list[Record], ModelDescription | None], None]
    ) -> None:
        """Has the next execution of the train function recorded.

        Args:
            first: The first step that is due.
            receive: Is called after the execution with its records and the model they speak of.

        Raises:
            OccupiedError: Another monitor has the same execution recorded.
        """
        self._function.arm(first, lambda: receive(self._read(), self._description))

    def begin_execution(self, first: int) -> None:
        """Empties what the last execution kept; `first` is the first step that is due."""
        self._first = first
        if self._gradients is not None:
            self._gradients.begin_execution(first)

    def begin_step(self, step: tf.Tensor) -> None:
        """Takes the number of the step that begins, inside the train step."""
        self._step = tf.identity(step)  # what it is now, before the update counts it up

    def keep(
        self,
        optimizer: keras.optimizers.Optimizer,
        gradients: Sequence[Gradient | None],
        variables: Sequence[keras.Variable],
    ) -> None:
        """Keeps what an optimizer is handed, inside the train step."""
        if self._gradients is None:
            with tf.init_scope():  # variables must not belong to the function that is traced
                self._prepare()
        if self._gradients is not None:
            self._gradients.keep(self._step, optimizer, gradients, variables)

    def _prepare(self) -> None:
        selected = select(named_variables(self._model), self._filter)
        self._description = describe(self._model, selected)
        self._gradients = GradientVariables(
            selected, self.steps_per_execution, self._every, self._first
        )

    def _read(self) -> list[Record]:
        return [] if self._gradients is None else self._gradients.read()

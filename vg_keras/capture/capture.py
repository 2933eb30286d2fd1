"""What the callback holds of a model: its description, its step, and the way to have it recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from vg_keras.capture.gradient_variables import GradientVariables
from vg_keras.capture.model import VariableFilter, describe, named_variables, select
from vg_keras.capture.train_function import RecordingTrainFunction, step_counter
from vg_keras.record import ModelDescription, Record


class Capture:
    """Records the gradients of one model.

    Args:
        model: A compiled, built model whose train function has been made.
        variables: Which trainable variables to record; see `model.select`.
        every: A step is due when it is a multiple of this.

    Attributes:
        description: The model and its monitored variables.

    Raises:
        ValueError: The model has no optimizer, or the filter lets no variable through.
    """

    def __init__(self, model: keras.Model, variables: VariableFilter, every: int) -> None:
        selected = select(named_variables(model), variables)
        self.description: ModelDescription = describe(model, selected)
        self.steps_per_execution: int = model.steps_per_execution
        self._counter = step_counter(model)
        with model.distribute_strategy.scope():
            gradients = GradientVariables(selected, self.steps_per_execution, every)
        self._function = RecordingTrainFunction(model, gradients)

    @property
    def step(self) -> int:
        """Number of the step that comes next."""
        return int(self._counter)

    def serves(self, model: keras.Model) -> bool:
        """Tells whether this still fits the model: not after another `compile`, for example."""
        return self._function.belongs_to(model)

    def record_next(self, first: int, receive: Callable[[Sequence[Record]], None]) -> None:
        """Has the next execution of the train function recorded.

        Args:
            first: The first step that is due.
            receive: Is called with the records after the execution.
        """
        self._function.arm(first, receive)

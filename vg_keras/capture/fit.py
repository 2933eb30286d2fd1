"""The first of three sources: the steps of `fit`. What is armed before an execution, and when.

The others are `loop_capture.py` and `probe_pass.py`; all of them build an `Observer`.
"""

from __future__ import annotations

import keras

from vg_keras.capture.due_steps import DueSteps, EveryStep, StepsOfExecution
from vg_keras.capture.observer import Observer
from vg_keras.capture.optimizers import checked_optimizers_of
from vg_keras.capture.plan import Choice
from vg_keras.capture.shared import shared
from vg_keras.capture.train_function import (
    ExecutionRecorder,
    RecordingTrainFunction,
    own_train_function,
)


class FitCapture:
    """Records the steps of `fit` of one model.

    Args:
        model: A compiled model whose train function has been made.
        choice: What is measured.
        every: A step is due when it is a multiple of this.

    Raises:
        ValueError: The model has no optimizer, or a filter lets nothing through. Where the model is
            not built, the latter comes at its first step.
    """

    def __init__(self, model: keras.Model, choice: Choice, every: int) -> None:
        steps = model.steps_per_execution
        due_steps: DueSteps = StepsOfExecution(steps, every) if steps > 1 else EveryStep()
        optimizers = checked_optimizers_of(model)
        strategy = model.distribute_strategy
        self.observer = Observer(model, optimizers, choice, due_steps, strategy, every > 1)
        self._function = RecordingTrainFunction(model, self.observer, every == 1)

    def serves(self, model: keras.Model) -> bool:
        """Whether this still fits the model: not after another `compile`, for example."""
        return self._function.belongs_to(model)

    def record_next(self, first: int, start: int, batch: int, recorder: ExecutionRecorder) -> None:
        """Has the next execution of the train function recorded.

        Args:
            first: The first step that is due.
            start: The first step of the execution.
            batch: The number of the batch in its epoch.
            recorder: What is called before and after it.

        Raises:
            OccupiedError: Another monitor has the same execution recorded.
            NotCalledError: An earlier execution that was to be recorded has not called the model's
                train function.
        """
        self._function.arm(first, start, batch, recorder)


def capture_of(model: keras.Model, choice: Choice, every: int) -> FitCapture:
    """Returns the capture of a model, a new one where none was made for the same choice.

    Args:
        model: A compiled model whose train function has been made.
        choice: What is measured.
        every: A step is due when it is a multiple of this.

    Raises:
        ValueError: See `FitCapture`.
    """
    # With one step in an execution only the rhythm of all steps makes another function.
    rhythm = every if model.steps_per_execution > 1 else every == 1
    key = choice, rhythm, id(model)  # models may share a function that one of them has made
    return shared(own_train_function(model), key, lambda: FitCapture(model, choice, every))

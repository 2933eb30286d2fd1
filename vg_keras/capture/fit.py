"""Records steps of `fit`: the first of three entry points.

The others are `loop_capture.py` and `probe_pass.py`. All of them build an `Observer`.
`train_function.py` swaps the train function of the model.
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
    """Recorder of the `fit` steps of one model.

    Args:
        model: A compiled model whose train function has been made.
        choice: What to measure.
        every: A step is due if its number is a multiple of this.

    Raises:
        ValueError: If the model has no optimizer, or a filter matches nothing. If the model is not
            built, the latter is raised at its first step.
    """

    def __init__(self, model: keras.Model, choice: Choice, every: int) -> None:
        steps = model.steps_per_execution
        due_steps: DueSteps = StepsOfExecution(steps, every) if steps > 1 else EveryStep()
        optimizers = checked_optimizers_of(model)
        strategy = model.distribute_strategy
        self.observer = Observer(model, optimizers, choice, due_steps, strategy, every > 1)
        self._function = RecordingTrainFunction(model, self.observer, every == 1)

    def serves(self, model: keras.Model) -> bool:
        """Whether this is still valid for the model; it is not after another `compile`."""
        return self._function.belongs_to(model)

    def record_next(self, first: int, start: int, batch: int, recorder: ExecutionRecorder) -> None:
        """Arms the recording of the next execution of the train function.

        Args:
            first: The first step that is due.
            start: The first step of the execution.
            batch: The number of the batch in its epoch.
            recorder: The recorder, called before and after the execution.

        Raises:
            OccupiedError: If another monitor records the same execution.
            NotCalledError: If the train function that was armed for an earlier execution has not
                been called.
        """
        self._function.arm(first, start, batch, recorder)


def capture_of(model: keras.Model, choice: Choice, every: int) -> FitCapture:
    """Returns the capture of a model, creating one if there is none for the same choice.

    Args:
        model: A compiled model whose train function has been made.
        choice: What to measure.
        every: A step is due if its number is a multiple of this.

    Raises:
        ValueError: See `FitCapture`.
    """
    # With one step per execution, it only matters whether every step is recorded.
    rhythm = every if model.steps_per_execution > 1 else every == 1
    key = choice, rhythm, id(model)  # several models may share one train function
    return shared(own_train_function(model), key, lambda: FitCapture(model, choice, every))

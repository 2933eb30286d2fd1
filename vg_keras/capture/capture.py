"""Records the steps of `fit` of one model: all that the callback holds of it."""

from __future__ import annotations

import keras

from vg_keras.capture.observer import Observer
from vg_keras.capture.optimizers import optimizers_of, step_counter
from vg_keras.capture.plan import Choice
from vg_keras.capture.slots import EveryStep, Slots, StepsOfExecution
from vg_keras.capture.train_function import ExecutionRecorder, RecordingTrainFunction


class Capture:
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
        slots: Slots = StepsOfExecution(steps, every) if steps > 1 else EveryStep()
        self.observer = Observer(
            model,
            optimizers_of(model),
            step_counter(model),
            choice,
            slots,
            model.distribute_strategy,
        )
        self._function = RecordingTrainFunction(model, self.observer, every == 1)

    def serves(self, model: keras.Model) -> bool:
        """Tells whether this still fits the model: not after another `compile`, for example."""
        return self._function.belongs_to(model)

    def record_next(self, first: int, recorder: ExecutionRecorder) -> None:
        """Has the next execution of the train function recorded.

        Args:
            first: The first step that is due.
            recorder: What is called before and after it.

        Raises:
            OccupiedError: Another monitor has the same execution recorded.
        """
        self._function.arm(first, recorder)

"""Records the steps of one model: all that the callback and a custom loop hold of it.

Captures are shared between monitors that measure the same things. They are kept with the model, or
with its train function, and freed with it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import keras

from vg_keras.capture.observer import Observer
from vg_keras.capture.optimizers import checked_optimizers_of, counter_of
from vg_keras.capture.plan import Choice
from vg_keras.capture.slots import EveryStep, Slots, StepOfLoop, StepsOfExecution
from vg_keras.capture.train_function import (
    ExecutionRecorder,
    RecordingTrainFunction,
    own_train_function,
)

T = TypeVar("T")

_ATTRIBUTE = "_vg_keras_captures"
"""Where captures are kept."""

MAX_KEPT = 4
"""Most captures kept per train function. A filter function created anew for each monitor counts as
a different choice."""


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
        optimizers = checked_optimizers_of(model)
        strategy = model.distribute_strategy
        self.observer = Observer(model, optimizers, choice, slots, strategy, every > 1)
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


def capture_of(model: keras.Model, choice: Choice, every: int) -> Capture:
    """Returns the capture of a model, a new one where none was made for the same choice.

    Args:
        model: A compiled model whose train function has been made.
        choice: What is measured.
        every: A step is due when it is a multiple of this.

    Raises:
        ValueError: See `Capture`.
    """
    # With one step in an execution only the rhythm of all steps makes another function.
    rhythm = every if model.steps_per_execution > 1 else every == 1
    key = choice, rhythm, id(model)  # models may share a function that one of them has made
    return _shared(own_train_function(model), key, lambda: Capture(model, choice, every))


def loop_observer(
    model: keras.Model,
    optimizers: Sequence[keras.optimizers.Optimizer],
    choice: Choice,
    every: int,
) -> Observer:
    """Returns what observes the steps of a custom training loop, a new one where there is none.

    Args:
        model: The model. Under a distribution strategy it must be built.
        optimizers: The optimizers. The first one numbers the steps inside a function that trains on
            several batches.
        choice: What is measured.
        every: A step is due when it is a multiple of this.

    Raises:
        ValueError: A filter lets nothing through.
    """
    key = choice, every > 1, tuple(map(id, optimizers))

    def make() -> Observer:
        slots = StepOfLoop(counter_of(optimizers[0]))
        return Observer(model, optimizers, choice, slots, model.distribute_strategy, every > 1)

    # In an object of Keras 3.15 that belongs to the model and is neither copied nor saved with it.
    return _shared(model._tracker, key, make)


def _shared(owner: Any, key: Any, make: Callable[[], T]) -> T:
    """Returns what an object keeps under a key, made anew where it keeps nothing.

    Args:
        owner: The object. If it has no attributes of its own, nothing is kept.
        key: The key, compared by value; it need not have a hash.
        make: Makes the value.
    """
    kept: list[tuple[Any, T]] = []
    # The attributes of a method are those of the function in the class.
    if hasattr(owner, "__dict__") and not isinstance(owner, types.MethodType):
        kept = vars(owner).setdefault(_ATTRIBUTE, kept)
    found = [value for other, value in kept if other == key]
    if found:
        return found[0]
    value = make()
    kept.append((key, value))
    del kept[:-MAX_KEPT]
    return value

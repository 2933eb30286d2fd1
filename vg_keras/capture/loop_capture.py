"""The second of three sources: the steps of a custom training loop."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from vg_keras.capture.due_steps import StepOfLoop
from vg_keras.capture.observer import Observer
from vg_keras.capture.optimizers import counter_of
from vg_keras.capture.plan import Choice
from vg_keras.capture.shared import shared


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
        due_steps = StepOfLoop(counter_of(optimizers[0]))
        return Observer(model, optimizers, choice, due_steps, model.distribute_strategy, every > 1)

    # In an object of Keras 3.15 that belongs to the model and is neither copied nor saved with it.
    return shared(model._tracker, key, make)

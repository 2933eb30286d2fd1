"""Records steps of a custom training loop: the second of three entry points.

The others are `fit.py` and `probe_pass.py`. `vg_keras/loop.py` drives the observer.
"""

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
    """Returns the observer of a custom training loop, creating one if there is none.

    Args:
        model: The model. Under a distribution strategy it must be built.
        optimizers: The optimizers. The first one numbers the steps inside a function that trains on
            several batches.
        choice: What to measure.
        every: A step is due if its number is a multiple of this.

    Raises:
        ValueError: If a filter matches nothing.
    """
    key = choice, every > 1, tuple(map(id, optimizers))

    def make() -> Observer:
        due_steps = StepOfLoop(counter_of(optimizers[0]))
        return Observer(model, optimizers, choice, due_steps, model.distribute_strategy, every > 1)

    # Stored in the model's tracker (Keras 3.15), which is neither copied nor saved with the model.
    return shared(model._tracker, key, make)

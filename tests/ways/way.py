"""A way to train, as run by `test_every_way.py`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from small_models import reset_keras
from twin import derive_by_compiled_loss

BATCH_SIZE = 8


@dataclass(frozen=True)
class Way:
    """A way to train.

    Args:
        name: Its row in the documentation's table.
        model: Makes the uncompiled model.
        x: All examples: an array, or a list of them.
        y: All targets.
        sample_weight: The weights of the examples.
        compile: Arguments of `compile` besides SGD with learning rate 0.1 and the mean squared
            error.
        compile_twin: Different arguments for compiling the twin.
        fit: Arguments of `fit`.
        optimizer: Makes the optimizer.
        derive: Derives the loss of a batch; see `twin`.
        rel: Relative tolerance.
        missing: Why something is not recorded, by the name of the column.
        is_optimized: Whether Grappler optimizes the recorded graph.
    """

    name: str
    model: Callable[[], keras.Model]
    x: Any
    y: Any = None
    sample_weight: Any = None
    compile: dict = field(default_factory=dict)
    compile_twin: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)
    optimizer: Callable[[], Any] = lambda: keras.optimizers.SGD(0.1)
    derive: Callable = derive_by_compiled_loss
    rel: float = 2e-4
    missing: dict = field(default_factory=dict)
    is_optimized: bool = True

    def fresh_model(self, **how):
        """Returns the model before training, always with the same weights and names."""
        reset_keras()
        model = self.model()
        settings = {"loss": "mse", "jit_compile": False, **self.compile, **self.compile_twin, **how}
        model.compile(self.optimizer(), **settings)
        return model

    def monitored_model(self):
        """Returns the same model, compiled for this way."""
        reset_keras()
        model = self.model()
        model.compile(self.optimizer(), **{"loss": "mse", "jit_compile": False, **self.compile})
        return model

    def batch(self, number):
        """Returns the batch of that number: x, y and weights."""
        rows = slice(number * BATCH_SIZE, (number + 1) * BATCH_SIZE)
        parts = (self.x, self.y, self.sample_weight)
        return tuple(
            keras.tree.map_structure(lambda values: values[rows], part)
            if part is not None
            else None
            for part in parts
        )

    def train_on_batch(self, model, batch):
        x, y, weight = batch
        model.train_on_batch(x, y, sample_weight=weight)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)

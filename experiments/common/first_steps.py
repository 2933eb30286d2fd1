"""The first step of networks with random weights on random inputs, to check theory.

Inputs are Gaussian and labels are random, so the gradients depend on the layers only.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from experiments.common import mlp
from vg_keras import GradientMonitor, Record

BATCH_SIZE = 256


@dataclass(frozen=True)
class FirstStep:
    """Results of the first step of a network made by `mlp.network`.

    Args:
        record: The monitor's record of the step.
        weights: float32: kernel and biases of each layer, before the step.
        x: float32 `[BATCH_SIZE, inputs]`, the batch.
    """

    record: Record
    weights: list[NDArray[np.float32]]
    x: NDArray[np.float32]

    @property
    def signal(self) -> list[float]:
        """The root mean square of dL/d(output) of each hidden layer."""
        gradients = self.record.activation_gradients
        return [sketch.rms for path, sketch in gradients.items() if path.startswith("hidden")]

    @property
    def weight_gradients(self) -> list[float]:
        """The mean |dL/dW| of the kernel of each hidden layer."""
        kernels = [
            sketch
            for path, sketch in self.record.gradients.items()
            if path.startswith("hidden") and path.endswith("kernel")
        ]
        return [sketch.mean_abs for sketch in kernels]


class FirstSteps:
    """Runs the first training step of one network after another.

    All networks must have the same layers, because one model runs the steps of all: tracing a model
    takes TensorFlow seconds. The seed is set only once, because setting it is slow too.

    Args:
        seed: Seed of everything drawn from here on: weights, inputs, labels.
    """

    def __init__(self, seed: int) -> None:
        mlp.begin(seed)
        self._random = np.random.default_rng(seed)
        self._monitor = GradientMonitor(None, "batch", updates=False)
        self._model: keras.Model | None = None

    def of(self, network: keras.Model, input_rms: float = 1.0) -> FirstStep:
        """Runs the first step of a network, without changing the network itself.

        Args:
            network: A classifier made by `mlp.network`.
            input_rms: Standard deviation of the inputs.
        """
        if self._model is None:
            self._model = keras.models.clone_model(network)
            # Without XLA, whose compilation takes longer than these few steps.
            self._model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        weights = network.get_weights()
        self._model.set_weights(weights)
        x = input_rms * self._random.normal(size=[BATCH_SIZE, network.input_shape[-1]])
        labels = self._random.integers(0, network.output_shape[-1], BATCH_SIZE)
        batch = x.astype(np.float32)
        self._model.fit(batch, labels, BATCH_SIZE, callbacks=[self._monitor], verbose=0)
        return FirstStep(self._monitor.records[-1], weights, batch)


def predicted_signal(chi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the signal at each layer's output, relative to the last layer.

    Args:
        chi: float64 `[depth]`, from `mean_field_path`.
    """
    return np.sqrt(np.append(np.cumprod(chi[:0:-1])[::-1], 1.0))

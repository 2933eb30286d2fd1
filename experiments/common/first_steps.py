"""The first training step of networks with random weights on random inputs, to check theory.

Inputs are Gaussian and labels are random, so the gradients depend on the layers only.
"""

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from experiments.common import mlp
from vg_keras import GradientMonitor

BATCH_SIZE = 256


@dataclass(frozen=True)
class FirstStep:
    """Results of the first step of a network, from the first hidden layer to the last."""

    signal: list[float]  # the root mean square of dL/d(output)
    weight_gradients: list[float]  # the mean |dL/dW| of the kernel
    x: NDArray[np.float32]  # `[BATCH_SIZE, inputs]`, the batch


class FirstSteps:
    """Runs the first training step of one network after another.

    All networks must have the same layers, because one model runs the steps of all: tracing a model
    takes TensorFlow seconds. The seed, of weights, inputs and labels, is set only once, because
    setting it is slow too.
    """

    def __init__(self, seed: int) -> None:
        mlp.begin(seed)
        self._random = np.random.default_rng(seed)
        self._monitor = GradientMonitor(None, "batch", updates=False, on_problem=None)
        self._model: keras.Model | None = None

    def of(self, network: keras.Model, input_rms: float = 1.0) -> FirstStep:
        """Runs the first step of a classifier made by `mlp.network`, without changing it."""
        if self._model is None:
            self._model = keras.models.clone_model(network)
            # Without XLA, whose compilation takes longer than these few steps.
            self._model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        self._model.set_weights(network.get_weights())
        x = input_rms * self._random.normal(size=[BATCH_SIZE, network.input_shape[-1]])
        labels = self._random.integers(0, network.output_shape[-1], BATCH_SIZE)
        batch = x.astype(np.float32)
        self._model.fit(batch, labels, BATCH_SIZE, callbacks=[self._monitor], verbose=0)
        record = self._monitor.records[-1]
        hidden = [layer.name for layer in network.layers if layer.name.startswith("hidden")]
        signal = [record.activation_gradients[name].rms for name in hidden]
        weights = [record.gradients[f"{name}/kernel"].mean_abs for name in hidden]
        return FirstStep(signal, weights, batch)

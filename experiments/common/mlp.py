"""The network of most experiments: a deep multilayer perceptron on the digits, and its training."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from experiments.common.errors import UsageError
from experiments.common.mnist import FULL_SIZE, Mnist
from experiments.common.options import JIT_COMPILE
from vg_keras import GradientMonitor, Record

FULL_EPOCHS = 5
NUM_RECORDS = 200
"""About how many steps of a training are recorded."""


@dataclass(frozen=True)
class Settings:
    """How a network is built and trained.

    Args:
        depth: Number of hidden layers.
        width: Units in each of them.
        epochs: Passes over the training images.
        batch_size: Images in a batch.
        learning_rate: The optimizer's learning rate.
        optimizer: Name of a Keras optimizer.
        initializer: Name of a Keras initializer, for every kernel.
        seed: Seed of the weights and of the order of the images.
        jit_compile: As in `keras.Model.compile`.
    """

    depth: int
    width: int
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str
    initializer: str
    seed: int
    jit_compile: bool | str

    def __str__(self) -> str:
        """Names everything that the outcome depends on."""
        return (
            f"{self.depth} hidden layers of {self.width}, {self.initializer}, {self.optimizer} "
            f"with learning rate {self.learning_rate:g}, batch {self.batch_size}, seed {self.seed},"
            f" {self.epochs} epochs"
        )

    def steps(self, data: Mnist) -> int:
        """Number of steps that the whole training makes."""
        return self.epochs * math.ceil(len(data.x_train) / self.batch_size)


@dataclass(frozen=True)
class Trained:
    """A network that has been trained.

    Args:
        activation: Its activation function.
        kernels: The paths of its kernels, from the input to the output.
        records: What the monitor recorded.
        history: By name, a value for each epoch: `loss`, `accuracy`, `val_loss`, `val_accuracy`.
        num_parameters: Number of its parameters.
    """

    activation: str
    kernels: tuple[str, ...]
    records: tuple[Record, ...]
    history: dict[str, list[float]]
    num_parameters: int

    @property
    def test_accuracy(self) -> float:
        """Accuracy on the test images after the last epoch, from 0 to 1."""
        return self.history["val_accuracy"][-1]

    @property
    def test_loss(self) -> float:
        """Cross-entropy on the test images after the last epoch, in nats."""
        return self.history["val_loss"][-1]

    def decades_lost(self, record: Record) -> float:
        """Powers of ten by which the gradient shrinks from the last hidden layer to the first."""
        first, last = (record.gradients[self.kernels[i]].norm for i in (0, -2))
        if not (first > 0 and last > 0):
            return math.nan
        return math.log10(last / first)


def settings(chosen: Namespace, data: Mnist) -> Settings:
    """Makes the settings from the options of `options.add_training`."""
    return Settings(
        depth=chosen.depth,
        width=chosen.width,
        epochs=chosen.epochs or default_epochs(data, chosen.batch_size),
        batch_size=chosen.batch_size,
        learning_rate=chosen.learning_rate,
        optimizer=chosen.optimizer,
        initializer=chosen.initializer,
        seed=chosen.seed,
        jit_compile=JIT_COMPILE[chosen.jit_compile],
    )


def default_epochs(data: Mnist, batch_size: int) -> int:
    """Returns the epochs that make about as many steps as 5 epochs of all of MNIST."""
    wanted = FULL_EPOCHS * math.ceil(FULL_SIZE / batch_size)
    return max(1, round(wanted / math.ceil(len(data.x_train) / batch_size)))


def build(activation: str, settings: Settings) -> keras.Model:
    """Returns a compiled network, whose weights depend on nothing but the settings."""
    keras.backend.clear_session()  # so that layers and optimizers are named alike in every network
    keras.utils.set_random_seed(settings.seed)
    optimizer = _get(keras.optimizers.get, settings.optimizer, "optimizer")
    _get(keras.initializers.get, settings.initializer, "initializer")
    optimizer.learning_rate = settings.learning_rate
    # A functional model, for its variables are called alike in every network (`hidden_1/kernel`),
    # so that TensorBoard lays the runs over each other; a Sequential one puts its own name first.
    inputs = outputs = keras.Input((784,))
    for i in range(settings.depth):
        outputs = keras.layers.Dense(
            settings.width,
            activation=activation,
            kernel_initializer=settings.initializer,
            name=f"hidden_{i + 1}",
        )(outputs)
    outputs = keras.layers.Dense(
        10, activation="softmax", kernel_initializer=settings.initializer, name="output"
    )(outputs)
    model = keras.Model(inputs, outputs, name=activation)
    model.compile(
        optimizer,
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=settings.jit_compile,
    )
    return model


def _get(get: Callable[[str], Any], name: str, kind: str) -> Any:
    try:
        return get(name)
    except (ValueError, TypeError):
        raise UsageError(
            f"Expected the name of a Keras {kind} for --{kind}. Received: {name!r}."
        ) from None


def train(
    activation: str,
    settings: Settings,
    data: Mnist,
    log_dir: Path,
    callbacks: list[keras.callbacks.Callback],
) -> Trained:
    """Trains a network under a GradientMonitor.

    Args:
        activation: Name of the activation function of the hidden layers.
        settings: Everything else about the network and its training.
        data: What it is trained and tested on.
        log_dir: Where its logs go: the gradients, and beside them Keras's own loss and accuracy.
        callbacks: What else watches the training.
    """
    model = build(activation, settings)
    monitor = GradientMonitor(log_dir, update_freq=max(1, settings.steps(data) // NUM_RECORDS))
    curves = keras.callbacks.TensorBoard(log_dir, write_graph=False)
    keras.utils.set_random_seed(settings.seed)  # the same batches, whatever was drawn before
    history = model.fit(
        data.x_train,
        data.y_train,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        validation_data=(data.x_test, data.y_test),
        callbacks=[monitor, curves, *callbacks],
        verbose=0,
    )
    return Trained(
        activation,
        tuple(layer.kernel.path for layer in model.layers[1:]),
        tuple(monitor.records),
        {name: [float(v) for v in values] for name, values in history.history.items()},
        model.count_params(),
    )

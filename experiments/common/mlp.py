"""The network of most experiments: a deep multilayer perceptron on digits, and its training."""

import math
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from experiments.common.mnist import FULL_SIZE, Mnist
from experiments.common.options import JIT_COMPILE, Epochs
from experiments.common.sweep import Work
from vg_keras import GradientMonitor, Record, Training
from vg_keras.theory import predict

Initializer = str | Mapping[str, Any]
"""A Keras initializer by its name or its serialized form. Never an object: a Keras initializer
object draws the same weights for every layer that uses it."""

DOUBLE = "float64"
"""The type for vanishing signals: ten sigmoid layers reduce the differences between images to 1e-7
of the activations, which is the rounding error of float32."""


def initializer(class_name: str, **config: float | str) -> Initializer:
    """Returns the serialized form of an initializer."""
    return {"class_name": class_name, "config": config}


def scaled(variance: float, distribution: str = "untruncated_normal") -> Initializer:
    """Returns the initializer of weights around zero with a variance of `variance` / inputs."""
    return initializer("VarianceScaling", scale=variance, distribution=distribution)


@dataclass(frozen=True)
class Settings:
    """Settings for building and training a network: those of `options.add_training`."""

    depth: int
    width: int
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str
    initializer: Initializer  # of every kernel
    seed: int  # of the weights, and of the order of the images
    jit_compile: bool | str

    def __str__(self) -> str:
        """Describes everything that the outcome depends on."""
        return f"{self.depth} hidden layers of {self.training}"

    @property
    def training(self) -> str:
        """Describes everything but the depth."""
        return (
            f"{self.width} units, {self.initializer}, {self.optimizer} with learning rate "
            f"{self.learning_rate:g}, batch {self.batch_size}, seed {self.seed}, "
            f"{self.epochs} {'epoch' if self.epochs == 1 else 'epochs'}"
        )

    def steps(self, data: Mnist) -> int:
        """Number of steps of the whole training run."""
        return self.epochs * _batches(len(data.x_train), self.batch_size)


@dataclass(frozen=True)
class Trained:
    """What the monitor recorded of a trained network, and what Keras did."""

    training: Training
    kernels: tuple[str, ...]  # their paths, from the input to the output
    history: Mapping[str, list[float]]  # of `loss`, `val_accuracy` etc., by epoch
    num_parameters: int

    @property
    def records(self) -> tuple[Record, ...]:
        """The records of the monitor."""
        return self.training.records

    @property
    def test_accuracy(self) -> float:
        """Accuracy on the test images after the last epoch, from 0 to 1."""
        return self.history["val_accuracy"][-1]

    @property
    def test_loss(self) -> float:
        """Cross-entropy on the test images after the last epoch, in nats."""
        return self.history["val_loss"][-1]

    def decades_lost(self, record: Record) -> float:
        """Powers of ten by which the gradient shrinks from the last hidden layer to the first.

        NaN if either of the two is zero or not finite.
        """
        first, last = (record.gradients[self.kernels[i]].norm for i in (0, -2))
        return math.log10(last / first) if first > 0 and last > 0 else math.nan


def settings(chosen: Namespace, data: Mnist) -> Settings:
    """Makes the settings from the options of `options.add_training`.

    An experiment without `--depth` or `--initializer` replaces 1 hidden layer, `glorot_uniform`.
    """
    given: dict[str, Any] = {"depth": 1, "initializer": "glorot_uniform"} | vars(chosen)
    given["epochs"] = _epochs(chosen.epochs, data, chosen.batch_size)
    given["jit_compile"] = JIT_COMPILE[chosen.jit_compile]
    return Settings(**{field.name: given[field.name] for field in fields(Settings)})


def _epochs(chosen: Epochs, data: Mnist, batch_size: int) -> int:
    if chosen.most is None:
        return chosen.number
    wanted = chosen.number * _batches(FULL_SIZE, batch_size)
    return min(chosen.most, max(1, round(wanted / _batches(len(data.x_train), batch_size))))


def _batches(num_images: int, batch_size: int) -> int:
    """Returns the number of whole batches; a batch may be larger than the data."""
    return max(1, num_images // batch_size)


def predicted_factor(activation: str, settings: Settings) -> float:
    """Returns theory's factor of the signal per layer."""
    return predict(activation, settings.initializer, fan_in=settings.width).factor_per_layer


def network(
    activation: str,
    depth: int,
    width: int,
    initializer: Initializer,
    *,
    biases: Initializer = "zeros",
    inputs: int = 784,
    output_activation: str = "softmax",
    dtype: str | None = None,
) -> keras.Model:
    """Returns an uncompiled network with the layers `hidden_1`, `hidden_2`, ..., `output`."""
    # A functional model, because its variables have the same names in every network
    # (`hidden_1/kernel`), so TensorBoard overlays the runs; a Sequential model prefixes its name.
    first = values = keras.Input((inputs,))
    how = {"kernel_initializer": initializer, "bias_initializer": biases, "dtype": dtype}
    for i in range(depth):
        values = keras.layers.Dense(width, activation, name=f"hidden_{i + 1}", **how)(values)
    values = keras.layers.Dense(10, output_activation, name="output", **how)(values)
    return keras.Model(first, values, name=activation)


def begin(seed: int) -> None:
    """Resets all state, so that a run depends on its seed only, whatever ran before it."""
    keras.backend.clear_session()  # so that layers and optimizers have the same names in every run
    keras.utils.set_random_seed(seed)


def build(activation: str, settings: Settings) -> keras.Model:
    """Returns a compiled network, whose weights depend on the settings only."""
    begin(settings.seed)
    model = network(activation, settings.depth, settings.width, settings.initializer)
    return compiled(model, settings)


def compiled(model: keras.Model, settings: Settings) -> keras.Model:
    """Compiles a classifier according to the settings, and returns it."""
    optimizer = keras.optimizers.get(settings.optimizer)
    optimizer.learning_rate = settings.learning_rate
    loss, jit_compile = "sparse_categorical_crossentropy", settings.jit_compile
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit_compile)
    return model


def train(
    model: keras.Model,
    settings: Settings,
    work: Work,
    log_dir: Path | None = None,
    num_records: int = 200,  # approximately
    **monitored: Any,
) -> Trained:
    """Trains a compiled network on the digits, under a GradientMonitor with further arguments.

    If there is a `log_dir`, it receives the gradients, and Keras's own loss and accuracy.
    """
    data = work.digits
    every = max(1, settings.steps(data) // num_records)
    monitor = GradientMonitor(log_dir, every, on_problem=None, **monitored)
    logs = [keras.callbacks.TensorBoard(log_dir, write_graph=False)] if log_dir else []
    history = model.fit(
        batches(data, settings),
        epochs=settings.epochs,
        validation_data=(data.x_test, data.y_test),
        validation_batch_size=1000,  # smaller batches of them would take most of the time
        callbacks=[monitor, *logs],
        shuffle=False,  # the data are shuffled
        verbose=0,
    )
    kernels = [weight.path for weight in model.trainable_weights if weight.path.endswith("kernel")]
    by_epoch = {name: [float(v) for v in values] for name, values in history.history.items()}
    return Trained(monitor.run.latest, tuple(kernels), by_epoch, model.count_params())


def batches(data: Mnist, settings: Settings) -> tf.data.Dataset:
    """Returns the training images in batches, in another order in each epoch.

    From arrays, Keras (3.15) draws the same order in every epoch once a seed is set, and a smaller
    last batch: each would show as a pattern that repeats in all curves.
    """
    number = len(data.x_train)
    x, y = tf.constant(data.x_train), tf.constant(data.y_train)
    order = tf.data.Dataset.range(number).shuffle(number, settings.seed)
    order = order.batch(settings.batch_size, drop_remainder=number > settings.batch_size)
    return order.map(lambda indices: (tf.gather(x, indices), tf.gather(y, indices)))


def named(values: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Names a float64 tensor of a functional model so that `GradientMonitor` records it.

    The monitor records layers without weights if they are activations. The linear activation passes
    its input through unchanged.
    """
    return keras.layers.Activation("linear", name=name, dtype=DOUBLE)(values)

"""The table of remedies: what each changes, and who proposes it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras

from experiments.common import mlp
from experiments.common.mlp import Settings

SIGMOID = partial(mlp.build, "sigmoid")


@dataclass(frozen=True)
class Remedy:
    """One change of the sigmoid network."""

    source: str  # the publication that proposes it
    make: Callable[[Settings], keras.Model] = SIGMOID  # makes the compiled network
    settings: dict[str, Any] = field(default_factory=dict)  # those that it changes

    def build(self, unchanged: Settings) -> keras.Model:
        """Returns the compiled network, from the settings of the unchanged one."""
        return self.make(replace(unchanged, **self.settings))


def stacked(settings: Settings, normalized: bool = False, residual: bool = False) -> keras.Model:
    """Returns the network with batch normalization before sigmoid, or with skip connections."""
    dense = partial(keras.layers.Dense, kernel_initializer=settings.initializer)
    first = values = keras.Input((784,))
    for i in range(settings.depth):
        before, values = values, dense(settings.width, name=f"hidden_{i + 1}")(values)
        if normalized:
            values = keras.layers.BatchNormalization()(values)
        values = keras.layers.Activation("sigmoid")(values)
        if residual and i > 0:
            values = before + values
    outputs = dense(10, "softmax", name="output")(values)
    return mlp.compiled(keras.Model(first, outputs), settings)


def layer_wise_learning_rates(settings: Settings) -> keras.Model:
    """Returns the network with learning rates that compensate theory's loss per layer."""
    model = mlp.build("sigmoid", settings)
    factor = mlp.predicted_factor("sigmoid", settings)
    scales = [factor ** -max(settings.depth - 1 - i, 0) for i in range(settings.depth + 1)]

    class LayerWiseSGD(keras.optimizers.SGD):
        def apply(self, gradients: list[Any], variables: list[Any]) -> None:
            # For plain SGD, scaling a gradient scales the rate. Each layer has a kernel and a bias.
            super().apply([scales[i // 2] * g for i, g in enumerate(gradients)], variables)

    optimizer = LayerWiseSGD(settings.learning_rate)
    model.compile(optimizer, model.loss, metrics=["accuracy"], jit_compile=settings.jit_compile)
    return model


UNCHANGED, HE = "sigmoid, unchanged", "He initialization"

REMEDIES = {
    UNCHANGED: Remedy("claim 5: the same answer for every image"),
    "ReLU": Remedy(
        "Glorot, Bordes and Bengio 2011, Deep sparse rectifier neural networks",
        make=partial(mlp.build, "relu"),
    ),
    "tanh": Remedy(
        "LeCun, Bottou, Orr and Müller 1998, Efficient BackProp, section 4.4",
        make=partial(mlp.build, "tanh"),
    ),
    HE: Remedy(
        "He et al. 2015, Delving deep into rectifiers (derived for ReLU)",
        settings={"initializer": "he_normal"},
    ),
    "batch normalization": Remedy(
        "Ioffe and Szegedy 2015, Batch normalization", make=partial(stacked, normalized=True)
    ),
    "residual connections": Remedy(
        "He et al. 2016, Deep residual learning for image recognition",
        make=partial(stacked, residual=True),
    ),
    "Adam": Remedy(
        "Kingma and Ba 2015, Adam: a method for stochastic optimization",
        settings={"optimizer": "adam", "learning_rate": 0.001},
    ),
    "layer-wise learning rates": Remedy(
        "Singh et al. 2015, Layer-specific adaptive learning rates for deep networks (our rule for "
        "the rates differs)",
        make=layer_wise_learning_rates,
    ),
}
"""What is trained, by name: the unchanged network, and one with each remedy."""

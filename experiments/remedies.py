"""What cures a deep sigmoid network, and what does each remedy do to the gradient?

Trains the same sick network once unchanged and once with each remedy by itself: other activations,
He initialization, batch normalization, residual connections, Adam, and learning rates that grow
toward the input. GradientMonitor shows each layer's gradient, and how far each update moves it.
"""

from __future__ import annotations

import functools
import math
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from experiments.common import command_line, options
from experiments.common.errors import UsageError
from experiments.common.outcome import Check, Outcome

if TYPE_CHECKING:
    import keras

    from experiments.common.mlp import Settings
    from experiments.common.mnist import Mnist
    from experiments.common.session import Session
    from experiments.common.sweep import Work

SICK = "sigmoid, as it is"
PUBLISHED = {"ReLU": 96.5, "tanh": 96.9, "Adam": 93.4}
"""Test accuracy in percent, measured earlier with these settings and all of MNIST."""
PUBLISHED_SETTINGS: dict[str, Any] = {
    "depth": 8,
    "width": 128,
    "epochs": 5,
    "batch_size": 128,
    "learning_rate": 0.1,
    "optimizer": "sgd",
    "initializer": "glorot_uniform",
}

SMALL = ["--depth=3", "--width=8", "--epochs=1", "--batch-size=20", "--limit=100"]
TRAINS = 90.0
"""Test accuracy in percent from which a network counts as cured."""


def add_options(parser: ArgumentParser) -> None:
    """Adds the options of this experiment."""
    options.add_training(parser)


def run(session: Session) -> Outcome:
    """Trains the sick network and the treated ones."""
    from experiments.common import mlp
    from experiments.figures.remedies import draw

    settings = mlp.settings(session.chosen, session.digits)
    runs = [(name, settings) for name in REMEDIES]
    found = dict(zip(REMEDIES, session.sweep(train, runs), strict=True))
    cured = [name for name, result in found.items() if result["accuracy"][-1] >= TRAINS]
    failed = [name for name in found if name not in (*cured, SICK)]
    return Outcome(
        f"The sick network reaches {found[SICK]['accuracy'][-1]:.2f} %. "
        f"{_listed(cured) or 'Nothing'} brought it to {TRAINS:.0f} % or more within this budget"
        + (f"; {_listed(failed)} did not." if failed else "."),
        {session.name: draw(found, f"{session.digits.name}; {settings}")},
        _checks(found, settings, session.digits),
        found,
        asdict(settings),
    )


def train(run: tuple[str, Settings], work: Work) -> dict[str, Any]:
    """Trains the network with one remedy and returns what the monitor recorded."""
    from experiments.common import mlp

    remedy, settings = run
    mlp.begin(settings.seed)
    trained = mlp.train(REMEDIES[remedy](settings), settings, work, activations=False)
    first, last = trained.records[0], trained.records[-1]
    return {
        "gradient": [first.gradients[path].norm for path in trained.kernels],
        "update_ratio": [first.update_ratio(path) for path in trained.kernels],
        "decades_lost": trained.decades_lost(first),
        "decades_lost_at_the_end": trained.decades_lost(last),
        "accuracy": [100 * value for value in trained.history["val_accuracy"]],
        "loss": trained.history["val_loss"],
    }


def sick(settings: Settings) -> keras.Model:
    """Returns the network that does not learn."""
    from experiments.common import mlp

    return mlp.build("sigmoid", settings)


def with_activation(activation: str) -> Callable[[Settings], keras.Model]:
    """Returns a remedy: another activation function."""

    def remedy(settings: Settings) -> keras.Model:
        from experiments.common import mlp

        return mlp.build(activation, settings)

    return remedy


def he_initialization(settings: Settings) -> keras.Model:
    """Returns the network with weights of twice the variance."""
    return sick(replace(settings, initializer="he_normal"))


def batch_normalization(settings: Settings) -> keras.Model:
    """Returns the network with each unit's input normalized to mean 0 and variance 1."""
    from keras import layers

    def hidden(values: keras.KerasTensor, dense: keras.layers.Layer) -> keras.KerasTensor:
        return layers.Activation("sigmoid")(layers.BatchNormalization()(dense(values)))

    return _stacked(settings, hidden, activation=None)


def residual_connections(settings: Settings) -> keras.Model:
    """Returns the network with each hidden layer's input added to its output."""

    def hidden(values: keras.KerasTensor, dense: keras.layers.Layer) -> keras.KerasTensor:
        is_first = dense.name == "hidden_1"
        return dense(values) if is_first else values + dense(values)

    return _stacked(settings, hidden, activation="sigmoid")


def adam(settings: Settings) -> keras.Model:
    """Returns the network with an optimizer that divides each gradient by its own size."""
    return sick(replace(settings, optimizer="adam", learning_rate=0.001))


def layer_wise_learning_rates(settings: Settings) -> keras.Model:
    """Returns the network with learning rates per layer that compensate the loss of signal."""
    import keras

    from experiments.common import mlp

    model = sick(settings)
    factor = mlp.predicted_factor("sigmoid", settings)
    if not factor > 0:
        raise UsageError(
            "Expected an --initializer that theory knows, for the layer-wise learning rates. "
            f"Received: {settings.initializer!r}."
        )
    scales = {
        weight.path: factor ** -(settings.depth - 1 - i)
        for i, layer in enumerate(model.layers[1:-1])
        for weight in layer.weights
    }

    class LayerWiseSGD(keras.optimizers.SGD):
        def apply(self, gradients: list[Any], variables: list[Any]) -> None:
            # For plain SGD, scaling a gradient is equivalent to scaling the learning rate.
            scaled = [scales.get(v.path, 1) * g for g, v in zip(gradients, variables, strict=True)]
            super().apply(scaled, variables)

    optimizer = LayerWiseSGD(settings.learning_rate)
    model.compile(optimizer, model.loss, metrics=["accuracy"], jit_compile=settings.jit_compile)
    return model


REMEDIES: dict[str, Callable[[Settings], keras.Model]] = {
    SICK: sick,
    "ReLU": with_activation("relu"),
    "tanh": with_activation("tanh"),
    "He initialization": he_initialization,
    "batch normalization": batch_normalization,
    "residual connections": residual_connections,
    "Adam": adam,
    "layer-wise learning rates": layer_wise_learning_rates,
}


def _stacked(settings: Settings, hidden: Callable[..., Any], activation: str | None) -> keras.Model:
    """Returns a compiled network whose hidden layers wrap a Dense layer."""
    import keras

    from experiments.common import mlp

    dense = functools.partial(keras.layers.Dense, kernel_initializer=settings.initializer)
    first = values = keras.Input((784,))
    for i in range(settings.depth):
        values = hidden(values, dense(settings.width, activation, name=f"hidden_{i + 1}"))
    outputs = dense(10, "softmax", name="output")(values)
    return mlp.compiled(keras.Model(first, outputs), settings)


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _checks(found: dict[str, Any], settings: Settings, data: Mnist) -> list[Check]:
    from experiments.common import mlp

    as_published = data.name == "MNIST" and settings == replace(settings, **PUBLISHED_SETTINGS)
    published = PUBLISHED if as_published else {}
    one_answer = data.share_of_one_answer
    checks = [
        Check(
            f"{SICK}: test accuracy, %",
            "claim 5; one class predicted for every image",
            f"{one_answer:.2f}",
            found[SICK]["accuracy"][-1],
            one_answer - 0.005,
            one_answer + 0.005,
            ".2f",
        )
    ]
    for name in list(REMEDIES)[1:]:
        what, accuracy = f"{name}: test accuracy, %", found[name]["accuracy"][-1]
        if known := published.get(name):
            source = "measured for this project before"
            checks.append(Check.near(what, source, known, accuracy, 0.015, ".1f"))
        else:
            source = "customary advice"
            checks.append(Check(what, source, "it trains", accuracy, TRAINS, form=".1f"))
    if settings.depth > 1:
        factor = mlp.predicted_factor("sigmoid", replace(settings, initializer="he_normal"))
        checks.append(
            Check.near(
                "He initialization: decades that the gradient of sigmoid still loses",
                "mean-field theory",
                -(settings.depth - 1) * math.log10(factor),
                found["He initialization"]["decades_lost"],
                form=".2f",
            )
        )
    return checks


if __name__ == "__main__":
    sys.exit(command_line.main("remedies"))

"""Trains a deep sigmoid network unchanged and with each remedy."""

import functools
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import keras

from experiments.common import mlp
from experiments.common.mlp import Settings
from experiments.common.outcome import Outcome
from experiments.common.session import Session
from experiments.common.sweep import Work
from experiments.remedies.expected import HE, SOURCES, TRAINS, UNCHANGED, checks
from experiments.remedies.figure import draw


def run(session: Session) -> Outcome:
    """Trains the unchanged network and one with each remedy."""
    settings = mlp.settings(session.options, session.digits)
    found = session.sweep(train, [(name, settings) for name in REMEDIES])
    results = dict(zip(REMEDIES, found, strict=True))
    return Outcome(
        _answer({name: result["accuracy"][-1] for name, result in results.items()}),
        checks(results, settings.depth, session.digits.share_of_one_answer),
        results,
        asdict(settings),
        draw(results, f"{session.digits.name}; {settings}"),
    )


def train(run: tuple[str, Settings], work: Work) -> dict[str, Any]:
    """Trains the network with one remedy and returns what the monitor recorded."""
    remedy, settings = run
    mlp.begin(settings.seed)
    trained = mlp.train(REMEDIES[remedy](settings), settings, work, activations=False)
    first = trained.records[0]
    return {
        "gradient": [first.gradients[path].norm for path in trained.kernels],
        "update_ratio": [first.update_ratio(path) for path in trained.kernels],
        "decades_lost": trained.decades_lost(first),
        "accuracy": [100 * value for value in trained.history["val_accuracy"]],
    }


def stacked(settings: Settings, normalized: bool = False, residual: bool = False) -> keras.Model:
    """Returns the network with batch normalization before sigmoid, or with skip connections."""
    dense = functools.partial(keras.layers.Dense, kernel_initializer=settings.initializer)
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


REMEDIES: dict[str, Callable[[Settings], keras.Model]] = {
    UNCHANGED: functools.partial(mlp.build, "sigmoid"),
    "ReLU": functools.partial(mlp.build, "relu"),
    "tanh": functools.partial(mlp.build, "tanh"),
    HE: lambda s: mlp.build("sigmoid", replace(s, initializer="he_normal")),
    "batch normalization": functools.partial(stacked, normalized=True),
    "residual connections": functools.partial(stacked, residual=True),
    "Adam": lambda s: mlp.build("sigmoid", replace(s, optimizer="adam", learning_rate=0.001)),
    "layer-wise learning rates": layer_wise_learning_rates,
}


def _answer(accuracies: dict[str, float]) -> str:
    cures = [name for name in SOURCES if accuracies[name] >= TRAINS]
    failures = [name for name in SOURCES if name not in cures]
    return (
        f"The unchanged sigmoid network reaches {accuracies[UNCHANGED]:.2f}% test accuracy. "
        f"Remedies that bring it to at least {TRAINS:.0f}% within this budget: "
        f"{', '.join(cures) or 'none'}. Remedies that do not: {', '.join(failures) or 'none'}."
    )

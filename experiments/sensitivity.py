"""How far does the network's output move when the weights of one layer are disturbed?

Two networks process the same images. They are identical except for one layer, whose weights are
disturbed in the second network by a tenth of their norm in a random direction. GradientMonitor
records how far their outputs are apart. In a sigmoid network the effect of an early layer is lost.

The outputs are the logits: softmax would squash them once more, and hides a common shift.
"""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.common import command_line, options
from experiments.common.factors import fitted_factor
from experiments.common.outcome import Check, Outcome, counted
from experiments.common.style import LABELS

if TYPE_CHECKING:
    import keras

    from experiments.common.mlp import Settings
    from experiments.common.session import Session
    from experiments.common.sweep import Work

ACTIVATIONS = ("sigmoid", "tanh", "relu")
BEFORE, AFTER = "at initialization", "after training"
IMAGES = 500
"""Number of test images on which the outputs are compared."""

SMALL = ["--depth=3", "--width=8", "--epochs=1", "--batch-size=20", "--limit=100", "--seeds=2"]

Weights = list[NDArray[Any]]
"""Kernel and bias of each layer, alternating."""

Moves = dict[str, list[list[float]]]
"""How far the logits move, for each draw and each disturbed layer: `of_output` relative to their
root mean square, `of_differences` relative to their standard deviation over the images."""


def add_options(parser: ArgumentParser) -> None:
    """Adds the options of this experiment."""
    options.add_training(parser)
    parser.add_argument(
        "--disturbance",
        type=options.positive_float,
        default=0.1,
        help="norm of the disturbance, relative to that of the weights of the layer",
    )
    options.add_seeds(parser, 10)


def run(session: Session) -> Outcome:
    """Disturbs each layer of each network, and compares with theory."""
    from experiments.common import mlp
    from experiments.figures.sensitivity import draw

    settings = mlp.settings(session.chosen, session.digits)
    size, draws = session.chosen.disturbance, session.chosen.seeds
    runs = [(name, when, settings, size, draws) for when in (AFTER, BEFORE) for name in ACTIVATIONS]
    moves = dict(zip([run[:2] for run in runs], session.sweep(measure, runs), strict=True))
    results: dict[str, dict[str, Any]] = {
        name: {
            "theory": relative_factor(name, settings),
            "factor": _factor(moves[name, BEFORE]["of_output"]),
            BEFORE: moves[name, BEFORE],
            AFTER: moves[name, AFTER],
        }
        for name in ACTIVATIONS
    }
    title = f"{session.digits.name}; {settings}\nmedian and range of {draws} disturbances"
    return Outcome(
        _answer(results, size),
        {session.name: draw(results, size, title)},
        _checks(results),
        results,
        asdict(settings) | {"disturbance": size, "draws": draws},
    )


def measure(run: tuple[str, str, Settings, float, int], work: Work) -> Moves:
    """Returns how far the logits of one network move.

    At initialization the weights are redrawn for each disturbance; there is one trained network.
    """
    activation, when, settings, size, draws = run
    seeds = range(settings.seed, settings.seed + draws)
    if when == AFTER:
        weights = dict.fromkeys(seeds, _trained(activation, settings, work))
    else:
        weights = {seed: _drawn(activation, replace(settings, seed=seed)) for seed in seeds}
    pair = Pair(activation, settings, work.digits.x_test[:IMAGES])
    moves: Moves = {"of_output": [], "of_differences": []}
    for seed in seeds:
        random = np.random.default_rng(seed)
        found = [
            pair.moves(weights[seed], disturbed(weights[seed], layer, size, random))
            for layer in range(settings.depth + 1)
        ]
        for kind, values in zip(moves.values(), zip(*found, strict=True), strict=True):
            kind.append(list(values))
    return moves


def _drawn(activation: str, settings: Settings) -> Weights:
    from experiments.common import mlp

    return mlp.build(activation, settings).get_weights()


def _trained(activation: str, settings: Settings, work: Work) -> Weights:
    from experiments.common import mlp

    model = mlp.build(activation, settings)
    unmonitored: dict[str, Any] = {
        "variables": "output/bias",
        "activations": False,
        "updates": False,
    }
    mlp.train(model, settings, work, num_records=1, **unmonitored)
    return model.get_weights()


def disturbed(weights: Weights, layer: int, size: float, random: np.random.Generator) -> Weights:
    """Returns the weights with the kernel of one layer moved in a random direction.

    Args:
        weights: Weights of the network.
        layer: Index of the layer, from 0.
        size: Norm of the disturbance, relative to that of the kernel.
        random: Draws the direction.
    """
    kernel = weights[2 * layer].astype(np.float64)
    direction = random.standard_normal(kernel.shape)
    change = size * np.linalg.norm(kernel) / np.linalg.norm(direction) * direction
    return [*weights[: 2 * layer], kernel + change, *weights[2 * layer + 1 :]]


class Pair:
    """Two networks on the same images, and the distance of their logits.

    Args:
        activation: Activation of the hidden layers.
        settings: How the networks are built.
        images: float32 `[n, 784]`.
    """

    def __init__(self, activation: str, settings: Settings, images: NDArray[np.float32]) -> None:
        import keras

        from experiments.common import mlp
        from vg_keras import GradientMonitor

        self._images = images
        mlp.begin(settings.seed)
        with mlp.double_precision():
            names = "clean", "disturbed"
            self._networks = [self._network(name, activation, settings) for name in names]
            inputs = keras.Input((images.shape[1],))
            clean, moved = (network(inputs) for network in self._networks)
            deviation = clean - keras.ops.mean(clean, axis=0, keepdims=True)
            branches = {"move": moved - clean, "logits": clean, "deviation": deviation}
            outputs = {name: mlp.named(values, name) for name, values in branches.items()}
        self._model = keras.Model(inputs, outputs)
        # Any loss works: at a learning rate of 0 the step changes nothing.
        self._model.compile(keras.optimizers.SGD(0.0), {"move": "mse"}, jit_compile=False)
        # Gradients are not needed here, but at least one must be recorded.
        self._monitor = GradientMonitor(
            None, "batch", "output/bias", activations=list(branches), updates=False
        )

    @staticmethod
    def _network(name: str, activation: str, settings: Settings) -> keras.Model:
        from experiments.common import mlp

        shape = settings.depth, settings.width, settings.initializer
        network = mlp.network(activation, *shape, output_activation="linear")
        network.name = name
        return network

    def moves(self, weights: Weights, other: Weights) -> tuple[float, float]:
        """Returns the distance of the logits between the two networks.

        Returns:
            The root mean square of the differences, relative to that of the logits, and relative to
            their standard deviation over the images.
        """
        for network, values in zip(self._networks, (weights, other), strict=True):
            network.set_weights(values)
        target = {"move": np.zeros((len(self._images), 10))}
        self._model.fit(
            self._images,
            target,
            batch_size=len(self._images),
            callbacks=[self._monitor],
            verbose=0,
        )
        found = self._monitor.records[-1].activations
        move = found["move"].rms
        return move / found["logits"].rms, move / found["deviation"].rms


def relative_factor(activation: str, settings: Settings) -> float:
    """Returns theory's factor per layer for a relative disturbance.

    A disturbance changes by sqrt(chi) per layer. So does the forward signal if it vanishes or grows
    without bound, because there f is practically linear on each side of zero. If the variance of
    the signal converges to q*, the signal keeps its size. NaN if theory does not cover the
    activation or initializer.
    """
    from vg_keras.theory import predict

    try:
        theory = predict(activation, settings.initializer, fan_in=settings.width)
    except ValueError:
        return math.nan
    return theory.factor_per_layer if 0 < theory.q < math.inf else 1.0


def _factor(moves: Sequence[Sequence[float]]) -> float:
    """Returns the factor per hidden layer by which a disturbance changes toward the output."""
    hidden = np.median(moves, axis=0)[:-1].tolist()
    return 1 / fitted_factor(range(len(hidden)), hidden)


def _ratio(result: Mapping[str, Any], when: str) -> float:
    """Returns how far the first hidden layer moves the output, relative to the last layer."""
    of_output = np.median(result[when]["of_output"], axis=0)
    return float(of_output[0] / of_output[-2])


def _of_first(result: Mapping[str, Any], when: str) -> float:
    """Returns how far the first layer moves the output, relative to differences between images."""
    return float(np.median(result[when]["of_differences"], axis=0)[0])


def _answer(results: dict[str, dict[str, Any]], size: float) -> str:
    parts = []
    for name, result in results.items():
        first, last = (np.median(result[BEFORE]["of_output"], axis=0)[i] for i in (0, -2))
        parts.append(f"{first:.2g} and {last:.2g} with {LABELS[name]}")
    sigmoid = np.median(results["sigmoid"][BEFORE]["of_differences"], axis=0)
    trained = (f"{_of_first(results[name], AFTER):.2g}" for name in ("sigmoid", "relu"))
    return (
        f"A disturbance of {size:.0%} in the first and in the last hidden layer moves the output "
        f"by {', '.join(parts)}, relative to its root mean square. Relative to what the "
        "outputs for different images differ by, sigmoid's first "
        f"layer moves it by {sigmoid[0]:.2g}, and the last one by {sigmoid[-2]:,.0f}; after "
        f"training the first one moves it by {' with sigmoid and '.join(trained)} with ReLU."
    )


def _checks(results: dict[str, dict[str, Any]]) -> list[Check]:
    source = "mean-field theory: sqrt(chi) where q* is finite and not 0, else 1; +-10 %"
    checks = []
    for name, r in results.items():
        what = f"{LABELS[name]}: factor a layer by which a disturbance reaches the output"
        checks.append(Check.near(what, source, r["theory"], r["factor"]))
    moves = np.median(results["sigmoid"][BEFORE]["of_output"], axis=0)
    what = "sigmoid: layers that move the output less than the one before them"
    claim = "claim 4: early layers hardly change the output"
    checks.append(Check(what, claim, "0", counted(np.diff(moves) < 0, moves), 0, 0, ".0f"))
    for when in (BEFORE, AFTER):
        for name in ("tanh", "relu"):
            what = f"{LABELS[name]} {when}: effect of the first hidden layer over that of the last"
            ratio = _ratio(results[name], when)
            checks.append(Check(what, "claim 6: of one order", "1", ratio, 1 / 3, 3, ".2f"))
        what = f"sigmoid {when}: effect of the first hidden layer over that of the last"
        ratio = _ratio(results["sigmoid"], when)
        checks.append(Check(what, "claim 4: hardly any", "small", ratio, 0, 0.01, ".1e"))
    for when in (BEFORE, AFTER):
        sigmoid, relu = (_of_first(results[name], when) for name in ("sigmoid", "relu"))
        what = f"sigmoid over ReLU {when}: effect of the first layer beside how images differ"
        checks.append(Check(what, claim, "less than 1", sigmoid / relu, 0, 1, ".2f"))
    return checks


if __name__ == "__main__":
    sys.exit(command_line.main("sensitivity"))

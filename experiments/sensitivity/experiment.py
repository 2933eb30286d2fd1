"""Perturbs one layer at a time, at initialization and after training."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.common import mlp
from experiments.common.factors import fitted_factor
from experiments.common.outcome import Outcome, Results
from experiments.common.session import Session
from experiments.common.style import LABELS
from experiments.common.sweep import Work
from experiments.sensitivity.expected import AFTER, BEFORE, checks
from experiments.sensitivity.figure import draw
from vg_keras import GradientMonitor
from vg_keras.theory import predict

ACTIVATIONS = ("sigmoid", "tanh", "relu")
IMAGES = 500
"""Number of test images on which the outputs are compared."""

Weights = list[NDArray[Any]]
"""Kernel and bias of each layer, alternating."""


def run(session: Session) -> Outcome:
    """Perturbs each layer of each network, and compares with theory."""
    settings = mlp.settings(session.options, session.digits)
    size, draws = session.options.perturbation, session.options.num_seeds
    runs = [(name, when, settings, size, draws) for when in (AFTER, BEFORE) for name in ACTIVATIONS]
    changes = dict(zip([run[:2] for run in runs], session.sweep(measure, runs), strict=True))
    results: Results = {}
    for name in ACTIVATIONS:
        results[name] = {when: changes[name, when] for when in (BEFORE, AFTER)}
        results[name]["theory"] = relative_factor(name, settings)
        results[name]["factor"] = factor_per_layer(changes[name, BEFORE]["over_rms"])
    title = f"{session.digits.name}; {settings}\nmedian and range of {draws} perturbations"
    chosen = asdict(settings) | {"perturbation": size, "num_seeds": draws}
    figure, parts = draw(results, size, title), findings(results, size)
    return Outcome(ANSWER, [*checks(results)], results, chosen, figure, parts)


def measure(run: tuple[str, str, mlp.Settings, float, int], work: Work) -> dict[str, Any]:
    """Returns the changes of the output for each seed and each perturbed layer.

    At initialization, each seed has weights of its own; there is one trained network.
    """
    activation, when, settings, size, num_seeds = run
    seeds = range(settings.seed, settings.seed + num_seeds)
    if when == AFTER:
        models = [mlp.build(activation, settings)] * num_seeds
        unmonitored: dict[str, Any] = {"variables": "output/bias", "activations": False}
        mlp.train(models[0], settings, work, num_records=1, updates=False, **unmonitored)
    else:
        models = [mlp.build(activation, replace(settings, seed=seed)) for seed in seeds]
    pairs = []
    for seed, model in zip(seeds, models, strict=True):
        weights, random = model.get_weights(), np.random.default_rng(seed)
        for layer in range(settings.depth + 1):
            pairs.append((weights, perturbed(weights, layer, size, random)))
    changes = output_changes(activation, settings, work.digits.x_test[:IMAGES], pairs)
    return {kind: values.reshape(num_seeds, -1) for kind, values in changes.items()}


def perturbed(weights: Weights, layer: int, size: float, random: np.random.Generator) -> Weights:
    """Returns the weights with the kernel of one layer, from 0, moved in a random direction.

    The norm of the perturbation is `size`, relative to that of the kernel.
    """
    kernel = weights[2 * layer].astype(np.float64)
    direction = random.standard_normal(kernel.shape)
    change = size * np.linalg.norm(kernel) / np.linalg.norm(direction) * direction
    return [*weights[: 2 * layer], kernel + change, *weights[2 * layer + 1 :]]


def output_changes(
    activation: str,
    settings: mlp.Settings,
    images: NDArray[np.float32],
    pairs: Sequence[tuple[Weights, Weights]],
) -> dict[str, NDArray[np.float64]]:
    """Returns how much the logits change from one set of weights to another, for each pair.

    The root mean square of the change is `over_rms`, the root mean square of the logits, and
    `over_std`, their standard deviation over the images.
    """
    mlp.begin(settings.seed)
    shape = settings.depth, settings.width, settings.initializer
    inputs, networks = keras.Input((images.shape[1],)), []
    for name in ("clean", "perturbed"):
        how: dict[str, Any] = {"output_activation": "linear", "dtype": mlp.DOUBLE}
        networks.append(mlp.network(activation, *shape, **how))
        networks[-1].name = name
    clean, other = (network(inputs) for network in networks)
    deviation = clean - keras.ops.mean(clean, axis=0, keepdims=True)
    branches = {"change": other - clean, "logits": clean, "deviation": deviation}
    outputs = {name: mlp.named(values, name) for name, values in branches.items()}
    model = keras.Model(inputs, outputs)
    # Any loss works: at a learning rate of 0 the step changes nothing.
    model.compile(keras.optimizers.SGD(0.0), {"change": "mse"}, jit_compile=False)
    # Gradients are not needed here, but at least one must be recorded.
    monitor = GradientMonitor(
        None, "batch", "output/bias", activations=[*branches], updates=False, on_problem=None
    )
    target, rms = {"change": np.zeros((len(images), 10))}, []
    for pair in pairs:
        for network, weights in zip(networks, pair, strict=True):
            network.set_weights(weights)
        model.fit(images, target, batch_size=len(images), callbacks=[monitor], verbose=0)
        rms.append([monitor.records[-1].activations[name].rms for name in branches])
    change, logits, spread = np.transpose(rms)
    return {"over_rms": change / logits, "over_std": change / spread}


def relative_factor(activation: str, settings: mlp.Settings) -> float:
    """Returns theory's factor per layer for a relative perturbation.

    A perturbation changes by sqrt(chi) per layer. So does the forward signal if it vanishes or
    grows without bound, because there the activation function is practically linear on each side of
    zero. If the variance of the signal converges to q*, the signal keeps its size.
    """
    theory = predict(activation, settings.initializer, fan_in=settings.width)
    return theory.factor_per_layer if 0 < theory.q < math.inf else 1.0


def factor_per_layer(changes: ArrayLike) -> float:
    """Returns the factor per hidden layer by which a perturbation changes toward the output."""
    hidden = np.median(np.asarray(changes), axis=0)[:-1].tolist()
    return 1 / fitted_factor(range(len(hidden)), hidden)


ANSWER = """\
A perturbation of {size of the perturbation} in the first and in the last hidden layer changes the \
output by {change by the first and the last hidden layer}, relative to its root mean square. \
Relative to the standard deviation of the outputs over the images, sigmoid's first and last hidden \
layers change the output by {the same with sigmoid, relative to the differences between images}; \
after training, the first layer changes it by {change by the first layer after training}."""


def findings(results: Results, size: float) -> dict[str, str]:
    """Returns the parts of the answer, by name."""
    parts = []
    for name, result in results.items():
        effects = np.median(result[BEFORE]["over_rms"], axis=0)
        parts.append(f"{effects[0]:.2g} and {effects[-2]:.2g} with {LABELS[name]}")
    sigmoid, trained_sigmoid, trained_relu = (
        np.median(results[name][when]["over_std"], axis=0)
        for name, when in (("sigmoid", BEFORE), ("sigmoid", AFTER), ("relu", AFTER))
    )
    of_sigmoid = "the same with sigmoid, relative to the differences between images"
    after = f"{trained_sigmoid[0]:.2g} with sigmoid and {trained_relu[0]:.2g} with ReLU"
    return {
        "size of the perturbation": f"{size:.0%}",
        "change by the first and the last hidden layer": ", ".join(parts),
        of_sigmoid: f"{sigmoid[0]:.2g} and {sigmoid[-2]:,.0f}",
        "change by the first layer after training": after,
    }

"""Trains the notebook's two networks and records the gradients that it plots."""

import itertools
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from experiments.common import mlp
from experiments.common.outcome import Check, Outcome
from experiments.common.session import Session
from experiments.common.sweep import Work
from experiments.cs224d.expected import CLAIM, LAYERS, LOSSES_AT, SHORT, checks, layer_ratio
from experiments.cs224d.figure import draw
from vg_keras import GradientMonitor

SHAPES = [(2, 50), (50, 50), (50, 3)]
SETTINGS = {"learning_rate": 0.1, "regularization": 0.5e-3}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """A training run of one of the two networks; `every` is the interval of recorded steps."""

    activation: str
    iterations: int
    every: int = 100


def run(session: Session) -> Outcome:
    """Trains both networks, and compares the results with the notebook."""
    iterations = session.options.iterations
    runs = [Run(name, iterations) for name in SHORT]
    results = dict(zip(SHORT, session.sweep(train, runs), strict=True))
    found = [*checks(results, iterations)]
    answer = _answer(results, found, iterations)
    return Outcome(answer, found, results, {"iterations": iterations, **SETTINGS}, draw(results))


def train(run: Run, work: Work) -> dict[str, Any]:
    """Trains a network and returns the two sums that the notebook plots, at each recorded step.

    The last step is always recorded. Also returns the losses at some steps and the final accuracy.
    """
    mlp.begin(0)
    x, y, weights = problem()
    model = build(run, weights[run.activation])
    batches = tf.data.Dataset.from_tensors((x, y))  # each batch contains all of the data
    last = run.iterations - 1
    marks = sorted({0, *(i for i in LOSSES_AT if i < last), last, run.iterations})
    monitor = GradientMonitor(None, run.every, activations=False, updates=False, on_problem=None)
    # Begins with the last step.
    ending = GradientMonitor(None, activations=False, updates=False, on_problem=None)
    losses = []
    for begin, end in itertools.pairwise(marks):
        losses.append(model.evaluate(x, y, batch_size=len(x), verbose=0)[0])
        callback = ending if begin == last else monitor
        model.fit(batches.repeat(end - begin), callbacks=[callback], shuffle=False, verbose=0)
    records = [*monitor.records, *ending.records]
    # Without the weight penalty's part, as in the notebook's plot.
    sums = {
        layer: [r.data_loss_gradient(f"{layer}/kernel").l1_norm / sum(shape) for r in records]
        for layer, shape in zip(LAYERS, SHAPES, strict=False)
    }
    return {
        "iterations": [record.step for record in records],
        **sums,
        "losses_at": marks[:-1],
        "losses": losses,
        "accuracy": model.evaluate(x, y, batch_size=len(x), verbose=0)[1],
    }


def problem() -> tuple[Array, NDArray[np.int64], dict[str, list[Array]]]:
    """Returns points on three spirals `[300, 2]`, their spirals, and the kernels of each network.

    All come from one stream of random numbers, in the notebook's order.
    """
    random = np.random.RandomState(0)
    points = []
    for j in range(3):
        r = np.linspace(0, 1, 100)
        t = np.linspace(4 * j, 4 * (j + 1), 100) + 0.2 * random.randn(100)
        points.append(np.column_stack([r * np.sin(t), r * np.cos(t)]))
    weights = {name: [0.1 * random.randn(*shape) for shape in SHAPES] for name in SHORT}
    return np.concatenate(points), np.repeat(np.arange(3), 100), weights


def build(run: Run, weights: list[Array]) -> keras.Model:
    """Returns the compiled network with these kernels, and biases of 0."""
    first = values = keras.Input([2])
    penalty = keras.regularizers.L2(SETTINGS["regularization"])
    for name, kernel in zip((*LAYERS, "output"), weights, strict=True):
        shape = kernel.shape[1], None if name == "output" else run.activation
        layer = keras.layers.Dense(*shape, kernel_regularizer=penalty, name=name)
        values = layer(values)
        layer.kernel.assign(kernel)
    model = keras.Model(first, values)
    model.compile(
        keras.optimizers.SGD(SETTINGS["learning_rate"]),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        # Many steps per execution: launching each takes longer than its computation.
        steps_per_execution=run.every,
        jit_compile=False,  # XLA takes half a minute to compile and gains nothing
    )
    return model


def _answer(results: dict[str, Any], checks: list[Check], iterations: int) -> str:
    ratios = {SHORT[name]: layer_ratio(result) for name, result in results.items()}
    start = " and ".join(f"{ratio[0]:#.3g} ({name})" for name, ratio in ratios.items())
    median = " and ".join(f"{np.median(ratio):#.3g} ({name})" for name, ratio in ratios.items())
    claims = [check.held for check in checks if check.what == CLAIM]
    verdict = ("Yes" if claims[0] else "Hardly") if claims else "Too few iterations to tell"
    too_few = (
        " Two hidden layers are too few: after the first few iterations, the gradient shrinks "
        "hardly more in the sigmoid network than in the ReLU network."
    )
    return (
        f"{verdict}: at iteration 0, the second layer's gradient is {start} times the first "
        f"layer's, but the median over {iterations:,} iterations (every hundredth) is {median}."
        f"{too_few if claims == [False] else ''} `python -m experiments depth` trains deeper "
        "networks, in which it vanishes."
    )

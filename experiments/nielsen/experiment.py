"""Measures many networks at the start, and some of them throughout training."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from experiments.common import mlp
from experiments.common.outcome import Outcome
from experiments.common.session import Session
from experiments.common.sweep import Work
from experiments.nielsen import expected
from experiments.nielsen.expected import NORMS, Norms
from experiments.nielsen.figure import draw
from vg_keras import GradientMonitor

UNITS = 30


@dataclass(frozen=True)
class Series:
    """Networks of one depth, drawn from the seeds 0, 1, 2, ..."""

    depth: int
    trained: int  # how many are trained
    epochs: int  # for each of them; an epoch is one step with all of the data
    drawn: int  # how many are measured at the start


def run(session: Session) -> Outcome:
    """Measures many networks at the start, and some throughout training."""
    chosen, data = session.options, session.digits
    depths = sorted(NORMS, reverse=True)  # the longest first, so that no process waits at the end
    series = [Series(depth, chosen.num_seeds, chosen.epochs, chosen.draws) for depth in depths]
    found = dict(zip(depths, session.sweep(measure, series), strict=True))
    start, training = ({depth: found[depth][i] for depth in NORMS} for i in (0, 1))
    numbers = {depth: _numbers(start[depth], training[depth]) for depth in NORMS}
    settings = {name: getattr(chosen, name) for name in ("draws", "num_seeds", "epochs")}
    figure = draw(numbers, f"{data.name}; {chosen.num_seeds} networks of each depth")
    compared, parts = [*expected.checks(start, training)], findings(start, training)
    return Outcome(ANSWER, compared, {str(d): numbers[d] for d in numbers}, settings, figure, parts)


def measure(series: Series, work: Work) -> tuple[Norms, Norms]:
    """Returns the gradient norms `[drawn, depth]` at the start and `[trained, epochs, depth]`."""
    mlp.begin(0)
    data, model = work.digits, build(series.depth)
    steps = series.drawn + series.trained * series.epochs
    seeds = {i: i for i in range(series.drawn)}  # of the networks, by their first steps
    seeds |= {series.drawn + i * series.epochs: i for i in range(series.trained)}
    monitor = GradientMonitor(
        None, "batch", "hidden_*/bias", activations=False, updates=False, on_problem=None
    )
    norms = []  # of all steps; the monitor itself keeps no more than 1,000 records

    def begin(step: int, logs: object = None) -> None:
        if step in seeds:
            model.set_weights(list(weights(series.depth, seeds[step])))

    def end(step: int, logs: object = None) -> None:
        norms.append([gradient.norm for gradient in monitor.records[-1].gradients.values()])

    one_by_one = keras.callbacks.LambdaCallback(on_train_batch_begin=begin, on_train_batch_end=end)
    targets = keras.utils.to_categorical(data.y_train, 10)
    batches = tf.data.Dataset.from_tensors((data.x_train, targets)).repeat(steps)
    model.fit(batches, callbacks=[monitor, one_by_one], shuffle=False, verbose=0)
    start, training = np.split(np.array(norms), [series.drawn])
    return start, training.reshape(series.trained, series.epochs, series.depth)


def build(depth: int) -> keras.Model:
    """Returns a compiled network with the loss and the weight decay of the book."""
    # The loss includes the output's sigmoid: computed from logits, its gradient is exactly a - y.
    model = mlp.network("sigmoid", depth, UNITS, "zeros", output_activation="linear")
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    # lambda = 5 for 1,000 images: each step of 0.1 shrinks every weight by a factor of 1 - 0.0005.
    optimizer = keras.optimizers.SGD(0.1, weight_decay=5.0 / 1000)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    # Times 10, because the book sums over the 10 outputs, where Keras takes the mean.
    model.compile(optimizer, loss, loss_weights=10.0, jit_compile=False)
    return model


def weights(depth: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draws the kernels from N(0, 1/inputs) and the biases from N(0, 1), layer by layer."""
    random = np.random.default_rng(seed)
    for inputs, units in itertools.pairwise([784, *depth * [UNITS], 10]):
        yield random.standard_normal((inputs, units)) / inputs**0.5
        yield random.standard_normal(units)


ANSWER = """\
At the start, a hidden layer learns at {speed relative to the next layer} times the speed of the \
next one, so with two, three and four hidden layers the last one learns {speed of the last / first}\
 times as fast as the first. In {networks in which each layer is slower than the next} networks \
every layer is slower than the next throughout training (in those of Nielsen, Neural Networks and \
Deep Learning, chapter 5: in all three). {numbers of the book within our middle 90%} numbers of \
the book are within the middle 90% of our networks; one in ten would be outside by chance."""


def findings(start: dict[int, Norms], training: dict[int, Norms]) -> dict[str, str]:
    """Returns the parts of the answer, by name."""
    medians = ", ".join(f"{np.median(expected.last_to_first(n)):.3g}" for n in start.values())
    book = ", ".join(f"{ratios[0]:.3g}" for ratios in expected.RATIOS.values())
    always = np.concatenate([expected.slower(norms).all(axis=1) for norms in training.values()])
    held = [check.held for check in expected.book_checks(start, training)]
    next_layer = np.median(expected.neighbors(start))
    return {
        "speed relative to the next layer": f"{next_layer:.3f} (theory {expected.THEORY:.4f})",
        "speed of the last / first": f"{medians} (in the book: {book})",
        "networks in which each layer is slower than the next": f"{always.sum()} of {len(always)}",
        "numbers of the book within our middle 90%": f"{sum(held)} of {len(held)}",
    }


def _numbers(start: Norms, training: Norms) -> dict[str, Any]:
    """Returns the content of results.json for one depth, with every tenth epoch of training."""
    return {
        "start_norms": _percentiles(start),
        "start_ratio": _percentiles(expected.last_to_first(start)),
        "ratios": expected.by_moment(training),
        "epochs": np.arange(training.shape[1])[::10],
        "training_norms": _percentiles(training[:, ::10]),
        "slower": expected.slower(training).mean(axis=1),
    }


def _percentiles(values: Norms) -> dict[str, NDArray[np.float64]]:
    percentiles = {"5%": 5, "median": 50, "95%": 95}
    return {name: np.percentile(values, q, axis=0) for name, q in percentiles.items()}

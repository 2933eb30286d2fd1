"""Why do the layers of a sigmoid network learn at such different speeds?

Repeats the measurement of chapter 5 of Michael Nielsen's book: networks with two, three and four
hidden layers of 30 sigmoid units, trained on the first 1,000 digits, all of them in each step.
GradientMonitor records the speed of learning of each hidden layer, as the book measures it: the L2
norm of the gradient of its biases. The book shows one network of each depth, drawn without a seed.
Here many are drawn, and each number of the book is compared with their distribution.
"""

from __future__ import annotations

import itertools
import math
import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.common import command_line, options
from experiments.common.outcome import Check, Outcome

if TYPE_CHECKING:
    import keras

    from experiments.common.session import Session
    from experiments.common.sweep import Work
    from vg_keras import GradientMonitor

UNITS = 30
NORMS = {
    2: [0.065741, 0.309218],
    3: [0.011838, 0.059965, 0.283142],
    4: [0.002975, 0.017077, 0.069539, 0.285139],
}
"""The published initial norm of each hidden layer, by the number of hidden layers."""

MOMENTS = ("start", "min", "max", "end")
RATIOS = {2: [4.70, 1.20, 5.06, 2.80], 3: [23.9, 14.7, 30.7, 14.7], 4: [95.8, 49.2, 137.8, 112.6]}
"""The published ratio of the last hidden layer's norm to the first's, at these moments."""

BANDS = {2: (3.9, 6.5), 3: (17.5, 34.7), 4: (81, 176)}
"""Initial values of that ratio: 5 to 95 % of 400 draws, from an independent program."""
NEIGHBOUR_BAND = (0.154, 0.258)
"""The same for the ratio of a layer's norm to the next layer's."""


LOOKED_UP = "% of our networks at or below the book's"
"""Suffix of the checks that compare a published number with our distribution."""

SMALL = ["--draws=5", "--seeds=2", "--epochs=3", "--limit=20"]


@dataclass(frozen=True)
class Series:
    """Networks of one depth, drawn independently.

    Args:
        depth: Number of hidden layers.
        networks: Number of networks, drawn from the seeds 0, 1, 2, ...
        epochs: Steps of each network, each with all of the data.
    """

    depth: int
    networks: int
    epochs: int


def add_options(parser: ArgumentParser) -> None:
    """Adds the options of this experiment."""
    add = parser.add_argument
    add("--draws", type=options.positive, default=400, help="networks measured at the start")
    add("--epochs", type=options.positive, default=500, help="steps of each training")
    options.add_seeds(parser, 20)
    options.add_data(parser)
    parser.set_defaults(limit=1000)


def run(session: Session) -> Outcome:
    """Measures many networks at the start, and some throughout training."""
    from experiments.figures.nielsen import draw

    chosen, data = session.chosen, session.digits
    trained = [Series(depth, chosen.seeds, chosen.epochs) for depth in reversed(NORMS)]
    drawn = [Series(depth, chosen.draws, 1) for depth in reversed(NORMS)]
    series = [*trained, *drawn]  # the longest first, so that no process waits at the end
    norms = dict(zip(series, map(np.array, session.sweep(measure, series)), strict=True))
    training = {s.depth: norms[s] for s in reversed(trained)}
    start = {s.depth: norms[s][:, 0] for s in reversed(drawn)}
    checks = _checks(start, training)
    title = f"{data.name}; {chosen.seeds} networks of each depth, seeds from 0"
    return Outcome(
        _answer(start, training, checks, data.name),
        {session.name: draw(training, title)},
        checks,
        {str(depth): _numbers(start[depth], training[depth]) for depth in NORMS},
        {"draws": chosen.draws, "seeds": chosen.seeds, "epochs": chosen.epochs},
    )


def measure(series: Series, work: Work) -> list[list[list[float]]]:
    """Returns for each network and step the norm of each hidden layer's bias gradient."""
    import keras
    import tensorflow as tf

    from experiments.common import mlp
    from vg_keras import GradientMonitor

    mlp.begin(0)
    data = work.digits
    model = build(series.depth)
    x, y = data.x_train, keras.utils.to_categorical(data.y_train, 10)
    monitor = GradientMonitor(None, "batch", "hidden_*/bias", activations=False, updates=False)
    one_by_one = redrawing(monitor, series)
    steps = series.networks * series.epochs
    model.fit(
        tf.data.Dataset.from_tensors((x, y)).repeat(steps),
        callbacks=[monitor, one_by_one, work.progress(steps)],
        shuffle=False,
        verbose=0,
    )
    return np.reshape(one_by_one.norms, (series.networks, series.epochs, series.depth)).tolist()


def build(depth: int) -> keras.Model:
    """Returns a compiled network whose loss is the book's."""
    import keras

    first = values = keras.Input([784])
    for i in range(depth):
        values = _layer(UNITS, "sigmoid", f"hidden_{i + 1}")(values)
    # The loss includes the output's sigmoid: computed from logits, its gradient is exactly a - y.
    model = keras.Model(first, _layer(10, None, "output")(values))

    def cross_entropy(targets: Any, logits: Any) -> Any:
        each = keras.ops.binary_crossentropy(targets, logits, from_logits=True)
        return keras.ops.sum(each, axis=-1)  # summed over the outputs, where Keras takes the mean

    model.compile(keras.optimizers.SGD(0.1), cross_entropy, jit_compile=False)
    return model


def _layer(units: int, activation: str | None, name: str) -> keras.layers.Layer:
    import keras

    return keras.layers.Dense(
        units,
        activation,
        # lambda = 5 for 1,000 images: each step of 0.1 shrinks every weight by a factor 1 - 0.0005.
        kernel_regularizer=keras.regularizers.L2(5.0 / 1000 / 2),
        name=name,
    )


def weights(depth: int, seed: int) -> list[NDArray[np.float64]]:
    """Draws the kernels from N(0, 1/inputs) and the biases from N(0, 1), layer by layer."""
    random = np.random.default_rng(seed)
    drawn = []
    for inputs, units in itertools.pairwise([784, *depth * [UNITS], 10]):
        drawn.append(random.standard_normal((inputs, units)) / math.sqrt(inputs))
        drawn.append(random.standard_normal(units))
    return drawn


def redrawing(monitor: GradientMonitor, series: Series) -> keras.callbacks.Callback:
    """Returns a callback that trains one network of the series after another, in one `fit`.

    Its `norms` contain all steps; the monitor itself keeps no more than 1,000 records.
    """
    import keras

    class Redrawing(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.norms: list[list[float]] = []

        def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
            seed, epoch = divmod(batch, series.epochs)
            if epoch == 0:
                self.model.set_weights(weights(series.depth, seed))

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            self.norms.append([g.norm for g in monitor.records[-1].gradients.values()])

    return Redrawing()


def _speed_ratio(norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the ratio of the last hidden layer's norm to the first's."""
    return norms[..., -1] / norms[..., 0]


def _neighbors(start: dict[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Returns the ratios of each layer's norm to the next layer's, over all networks."""
    return np.concatenate([np.ravel(n[:, :-1] / n[:, 1:]) for n in start.values()])


def by_moment(training: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Returns each network's ratio of last to first at each of `MOMENTS`."""
    ratio = _speed_ratio(training)
    found = ratio[:, 0], ratio.min(axis=1), ratio.max(axis=1), ratio[:, -1]
    return dict(zip(MOMENTS, found, strict=True))


def _slower(training: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns, per network and epoch, whether every layer is slower than the next one."""
    return np.all(training[..., :-1] < training[..., 1:], axis=-1)


def _theory() -> float:
    """Returns the factor by which a wide layer of this kind shrinks the gradient."""
    import keras

    from vg_keras.theory import predict

    biases = keras.initializers.RandomNormal(stddev=1.0)
    return predict("sigmoid", "lecun_normal", biases).factor_per_layer


def _answer(
    start: dict[int, NDArray[np.float64]],
    training: dict[int, NDArray[np.float64]],
    checks: list[Check],
    data: str,
) -> str:
    medians = ", ".join(f"{np.median(_speed_ratio(norms)):.3g}" for norms in start.values())
    book = ", ".join(f"{ratios[0]:.3g}" for ratios in RATIOS.values())
    always = np.concatenate([_slower(norms).all(axis=1) for norms in training.values()])
    looked_up = [check.held for check in checks if check.what.endswith(LOOKED_UP)]
    return (
        f"A hidden layer begins with {np.median(_neighbors(start)):.3f} of the speed of the next "
        f"one (theory {_theory():.4f}), so that with two, three and four of them the last is "
        f"faster than the first by {medians} (the book's networks: {book}), on {data}. "
        f"In {always.sum()} of {len(always)} networks every layer is slower than the next through "
        f"all of the training (the book's: all). {sum(looked_up)} of the book's {len(looked_up)} "
        "numbers lie within the middle 90 % of our networks; one in ten would be outside by chance."
    )


def _checks(
    start: dict[int, NDArray[np.float64]], training: dict[int, NDArray[np.float64]]
) -> list[Check]:
    neighbors, theory = _neighbors(start), _theory()
    checks = [
        Check.near(
            "norm of a hidden layer over that of the next, median at the start",
            "mean-field theory, sqrt(chi); within 10 %",
            theory,
            float(np.median(neighbors)),
            form=".4f",
        ),
        _share("norm of a hidden layer over that of the next", neighbors, NEIGHBOUR_BAND, start[2]),
    ]
    for depth, norms in NORMS.items():
        ratios = {**by_moment(training[depth]), "start": _speed_ratio(start[depth])}
        name = f"{depth} hidden layers"
        for i, published in enumerate(norms):
            what = f"{name}, norm of layer {i + 1} at the start"
            checks.append(_look_up(what, published, start[depth][:, i], ".6f"))
        for moment, published in zip(MOMENTS, RATIOS[depth], strict=True):
            checks.append(_look_up(f"{name}, last / first, {moment}", published, ratios[moment]))
        what = f"{name}, last / first, start"
        checks.append(_share(what, ratios["start"], BANDS[depth], start[depth]))
        what = f"{name}: % of epochs and networks in which every layer is slower than the next"
        slower = 100 * float(np.mean(_slower(training[depth])))
        checks.append(Check(what, "Nielsen, chapter 5", "100", slower, 100, form=".4g"))
    return checks


def _look_up(what: str, published: float, ours: NDArray[np.float64], form: str = "g") -> Check:
    """Returns a check that a published number is within the middle 90 % of ours."""
    rank = 100 * float(np.mean(ours <= published))
    what = f"{what}: {LOOKED_UP}"
    return Check(what, "Nielsen, chapter 5", format(published, form), rank, 5, 95, ".0f")


def _share(
    what: str,
    ratios: NDArray[np.float64],
    band: tuple[float, float],
    networks: NDArray[np.float64],
) -> Check:
    """Returns a check that 90 % of our ratios are in the band of 90 % of the computed ratios."""
    low, high = band
    share = 100 * float(np.mean((low <= ratios) & (ratios <= high)))
    # Three standard errors of a fraction of 90 %, including those of the 400 that made the band.
    allowed = 3 * 100 * math.sqrt(0.9 * 0.1 * (1 / len(networks) + 1 / 400))
    what = f"{what}: % of our networks within {low:g} to {high:g}"
    high_share = min(100.0, 90 + allowed)
    return Check(what, "computed, 400 draws", "90", share, 90 - allowed, high_share, ".1f")


def _numbers(start: NDArray[np.float64], training: NDArray[np.float64]) -> dict[str, Any]:
    """Returns the content of results.json for one depth, with every tenth epoch of training."""
    quantiles = {"5 %": 5, "median": 50, "95 %": 95}
    return {
        "start_norms": {name: np.percentile(start, q, axis=0) for name, q in quantiles.items()},
        "start_ratio": {
            name: np.percentile(_speed_ratio(start), q) for name, q in quantiles.items()
        },
        "ratios": by_moment(training),
        "epochs": np.arange(training.shape[1])[::10],
        "training_norms": {
            name: np.percentile(training, q, axis=0)[::10] for name, q in quantiles.items()
        },
        "slower": _slower(training).mean(axis=1),
    }


if __name__ == "__main__":
    sys.exit(command_line.main("nielsen"))

"""What does it cost to watch the gradients?

Measures the time per training step with GradientMonitor, with Keras's TensorBoard callback and with
the customary second tape, each right after plain `fit` in the same run: absolute times drift on a
busy machine, but ratios of adjacent measurements are stable. Steps that trace or compile are
excluded. The networks are perceptrons, a small convolutional network and a small transformer.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.common import command_line, options
from experiments.common.measured_training import NEVER
from experiments.common.networks import Network, networks
from experiments.common.outcome import Outcome

if TYPE_CHECKING:
    import keras
    from rich.console import Console

    from experiments.common.session import Session
    from experiments.common.sweep import Work

SMALL = ["--depth=1", "--widths=4", "--only=1x4", "--rounds=1"]
STEPS = 100
"""Steps in one round: one record at the monitor's default."""
TAPE_STEPS = 10
"""Fewer steps for the second tape, because it is slow."""
KERNEL_SIZE = 1_000_000


@dataclass(frozen=True)
class Way:
    """A way to train: its callbacks, and the number of steps that are timed together."""

    name: str
    callback: Callable[[str, tuple[Any, Any]], keras.callbacks.Callback] | None
    steps: int = field(default_factory=lambda: STEPS)


def add_options(parser: ArgumentParser) -> None:
    """Adds the options of this experiment."""
    add = parser.add_argument
    add("--depth", type=options.positive, default=8, help="hidden layers of the perceptrons")
    add("--widths", type=options.positive, nargs="+", default=[128, 512], help="units in a layer")
    add(
        "--only", metavar="NETWORK", nargs="+", help="networks, such as 8x512, convnet, transformer"
    )
    add("--rounds", type=options.positive, default=7, help="how often everything is timed")


def run(session: Session) -> Outcome:
    """Times every way to monitor training, one after the other."""
    chosen = session.chosen
    names = [network.name for network in networks(chosen.depth, chosen.widths, chosen.only)]
    kernels = {jit: time_kernels(jit) for jit in (False, True)}
    for jit, (ours, theirs) in kernels.items():
        session.console.print(
            f"Sketch of {KERNEL_SIZE:,} values{_with(jit)}: {ours:.2f} ms; "
            f"TensorBoard's buckets: {theirs:.2f} ms, {theirs / ours:.1f} times as long"
        )
    chosen.jobs = 1  # concurrent jobs would disturb the timing
    runs = [
        (chosen.depth, tuple(chosen.widths), name, jit, chosen.rounds)
        for name in names
        for jit in (False, True)
    ]
    rows = session.sweep(time_network, runs)
    for row in rows:
        _print(session.console, row)
    kernel_ms = {_with(j).strip(): {"sketch": k[0], "buckets": k[1]} for j, k in kernels.items()}
    return Outcome(
        _answer(rows),
        {},
        [],
        {"kernel_ms": kernel_ms, "time_per_step": rows},
        {"rounds": chosen.rounds},
    )


def _answer(rows: list[dict[str, Any]]) -> str:
    """States the cost of the default: measured, and derived from that of recording every step."""
    measured, every_step = (
        [statistics.median(row["ratios"][f"GradientMonitor, {name}"]) for row in rows]
        for name in ("default", "every step")
    )
    derived = [1 + (ratio - 1) / STEPS for ratio in every_step]
    return (
        f"A recorded step takes {min(every_step):.1f} to {max(every_step):.1f} times as long as "
        f"one of plain fit, so that the default, which records one in {STEPS}, takes "
        f"{min(derived):.3f} to {max(derived):.3f} times as long. Measured directly it is "
        f"{min(measured):.2f} to {max(measured):.2f}; what that is worth shows the way that "
        "records no step."
    )


def time_network(run: tuple[int, tuple[int, ...], str, bool, int], work: Work) -> dict[str, Any]:
    """Times every way to train one network, with or without XLA."""
    depth, widths, name, jit, rounds = run
    (network,) = networks(depth, list(widths), [name])
    ratios, plain = time_training(network, jit, rounds)
    return {"network": name, "jit_compile": jit, "plain_ms": plain, "ratios": ratios}


def time_kernels(jit: bool) -> tuple[float, float]:
    """Returns the milliseconds of our sketch and of TensorBoard's histogram of one tensor."""
    import tensorflow as tf

    # `_buckets` (TensorBoard 2.21) is the op behind `tf.summary.histogram`, without writing.
    from tensorboard.plugins.histogram.summary_v2 import _buckets

    from vg_keras.statistics.tensor_sketch import sketch

    values = tf.random.stateless_normal([KERNEL_SIZE], seed=(0, 0))
    functions = [
        tf.function(sketch, jit_compile=jit),
        tf.function(lambda v: _buckets(v, 30), jit_compile=jit),
    ]
    seconds: list[list[float]] = [[], []]
    for turn in range(15):
        for function, times in zip(functions, seconds, strict=True):
            began = time.perf_counter()
            tf.nest.map_structure(lambda t: t.numpy(), function(values))
            if turn:  # the first call traces
                times.append(time.perf_counter() - began)
    ours, theirs = (1e3 * statistics.median(times) for times in seconds)
    return ours, theirs


def time_training(network: Network, jit: bool, rounds: int) -> tuple[dict[str, list[float]], float]:
    """Times every way to train a network, relative to plain `fit`.

    Returns:
        For each way, the ratios of its time per step to that of the plain `fit` right before it,
        one per round; and the median milliseconds per step of plain `fit`.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = _Training(Way("plain fit", None), network, jit, folder)
        watched = [_Training(way, network, jit, folder) for way in _ways()]
        for training in (plain, *watched):
            training.seconds_per_step()  # traces and compiles
        ratios: dict[str, list[float]] = {training.way.name: [] for training in watched}
        plains = []
        for _ in range(rounds):
            for training in watched:
                plains.append(plain.seconds_per_step())
                ratios[training.way.name].append(training.seconds_per_step() / plains[-1])
    return ratios, 1e3 * statistics.median(plains)


def _ways() -> list[Way]:
    import keras

    from vg_keras import GradientMonitor

    return [
        Way("GradientMonitor, default", lambda log_dir, batch: GradientMonitor(log_dir)),
        Way(
            "GradientMonitor, no step recorded",
            lambda log_dir, batch: GradientMonitor(log_dir, NEVER),
        ),
        Way("GradientMonitor, every 10 steps", lambda log_dir, batch: GradientMonitor(log_dir, 10)),
        Way(
            "GradientMonitor, every step", lambda log_dir, batch: GradientMonitor(log_dir, "batch")
        ),
        Way(
            "GradientMonitor, every step, gradients alone",
            lambda log_dir, batch: GradientMonitor(
                log_dir, "batch", activations=False, updates=False
            ),
        ),
        Way(
            f"keras.callbacks.TensorBoard, weight histograms every {STEPS} steps",
            lambda log_dir, batch: keras.callbacks.TensorBoard(log_dir, histogram_freq=1),
        ),
        Way("second tape and tf.summary.histogram, every step", _second_tape, TAPE_STEPS),
    ]


class _Training:
    """A network that is trained in one way, a number of steps at a time."""

    def __init__(self, way: Way, network: Network, jit: bool, folder: str) -> None:
        import keras
        import numpy as np

        self.way = way
        self._batch_size = network.batch_size
        keras.utils.set_random_seed(0)
        self._model = network.make()
        self._model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=jit)
        generator = np.random.default_rng(0)
        size = way.steps * self._batch_size
        self._x = generator.random((size, *self._model.input_shape[1:]), np.float32)
        self._y = generator.integers(0, 10, size)
        log_dir = str(Path(folder, way.name))
        batch = self._x[: self._batch_size], self._y[: self._batch_size]
        self._callbacks = [way.callback(log_dir, batch)] if way.callback else []

    def seconds_per_step(self) -> float:
        began = time.perf_counter()
        self._model.fit(
            self._x, self._y, batch_size=self._batch_size, verbose=0, callbacks=self._callbacks
        )
        return (time.perf_counter() - began) / self.way.steps


def _second_tape(log_dir: str, batch: tuple[Any, Any]) -> keras.callbacks.Callback:
    """Returns the callback of many forum answers: a tape on a fixed batch after every step."""
    import keras
    import tensorflow as tf

    writer = tf.summary.create_file_writer(log_dir)
    x, y = map(tf.constant, batch)

    class SecondTape(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            with tf.GradientTape() as tape:
                loss = self.model.compute_loss(x, y, self.model(x, training=True))
            variables = self.model.trainable_variables
            gradients = tape.gradient(loss, variables)
            with writer.as_default(step=int(self.model.optimizer.iterations)):
                for gradient, variable in zip(gradients, variables, strict=True):
                    tf.summary.histogram(variable.path, gradient)

    return SecondTape()


def _with(jit: bool) -> str:
    return " with XLA" if jit else " without XLA"


def _print(console: Console, row: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(
        title=f"{row['network']}{_with(row['jit_compile'])}: "
        f"plain fit takes {row['plain_ms']:.2f} ms per step",
        title_justify="left",
    )
    table.add_column("time per step, relative to plain fit")
    for heading in ("median", "least", "most"):
        table.add_column(heading, justify="right")
    for name, ratios in row["ratios"].items():
        numbers = (statistics.median(ratios), min(ratios), max(ratios))
        table.add_row(name, *(f"{number:.2f}" for number in numbers))
    console.print(table)


if __name__ == "__main__":
    sys.exit(command_line.main("monitoring_cost"))

"""Trains a network in one of several ways, and measures time and memory."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from unittest import mock

import keras
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.func_graph import FuncGraph

from experiments.common.catalogue import FOLDER
from experiments.cost import networks
from vg_keras import GradientMonitor


@dataclass(frozen=True)
class Training:
    """A training run to measure, `steps` steps at a time, in one of `experiments.cost.WAYS`."""

    network: str
    optimizer: str
    jit_compile: bool
    batch_size: int
    steps: int
    device: str
    way: str = "plain"


class SecondTape(keras.callbacks.Callback):
    """The customary solution: a second tape, on a fixed batch after every step."""

    def __init__(self, folder: str, x: NDArray[Any], y: NDArray[Any]) -> None:
        super().__init__()
        self._writer = tf.summary.create_file_writer(folder)
        self._x, self._y = tf.constant(x), tf.constant(y)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes a histogram of the gradient of each variable."""
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(self._x, self._y, self.model(self._x, training=True))
        variables = self.model.trainable_variables
        with self._writer.as_default(step=int(self.model.optimizer.iterations)):
            for gradient, variable in zip(tape.gradient(loss, variables), variables, strict=True):
                tf.summary.histogram(variable.path, gradient)


CALLBACKS: dict[str, Callable[[str, NDArray[Any], NDArray[Any]], keras.callbacks.Callback]] = {
    "monitored": lambda folder, x, y: GradientMonitor(folder, 10**9),  # once
    "every_step": lambda folder, x, y: GradientMonitor(folder, 1),
    "gradients": lambda folder, x, y: GradientMonitor(folder, 1, activations=False, updates=False),
    "tensorboard": lambda folder, x, y: keras.callbacks.TensorBoard(folder, histogram_freq=1),
    "second_tape": SecondTape,
}
"""The callback of each way to train but plain `fit`, from the folder of its log and a batch."""


def measure_in_process(training: Training, seconds: float | None) -> dict[str, float] | None:
    """Returns the result of `measure` in a new process, or None after that many seconds."""
    script = ["-m", "experiments.cost.measured_training", json.dumps(asdict(training))]
    how: dict[str, Any] = {"capture_output": True, "text": True, "cwd": FOLDER.parent}
    try:
        process = subprocess.run([sys.executable, *script], timeout=seconds, check=False, **how)
    except subprocess.TimeoutExpired:
        return None
    if process.returncode:
        raise RuntimeError(f"{training} failed:\n{process.stderr}")
    return json.loads(process.stdout.splitlines()[-1])


def measure(training: Training) -> dict[str, float]:
    """Measures time and memory in this process, which must not have trained anything before."""
    keras.utils.set_random_seed(0)
    model, size = networks.make(training.network), training.batch_size
    model.compile(training.optimizer, networks.LOSS, jit_compile=training.jit_compile)
    x, y = networks.random_data(model, training.steps * size)
    with tempfile.TemporaryDirectory() as folder:
        ways = [training.way] if training.way != "plain" else []
        callbacks = [CALLBACKS[way](folder, x[:size], y[:size]) for way in ways]
        fit = partial(model.fit, batch_size=size, verbose=0, callbacks=callbacks)
        operations: list[str] = []
        with counted_operations(operations):
            times = [_cpu_seconds(fit, x[: 2 * size], y[: 2 * size])]
        times += [_cpu_seconds(fit, x, y) for _ in range(3)]  # the fastest counts
    costs = [monitor.cost for monitor in callbacks if isinstance(monitor, GradientMonitor)]
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes on macOS, kilobytes elsewhere
    return {
        "start_cpu_s": times[0],
        "operations": len(operations),
        "step_cpu_ms": 1e3 * min(times[1:]) / training.steps,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
        "bytes_per_record": sum(cost.num_bytes / cost.num_records for cost in costs),
    }


def _cpu_seconds(function: Callable[..., Any], *arguments: Any) -> float:
    began = time.process_time()
    function(*arguments)
    return time.process_time() - began


def counted_operations(made: list[str]) -> Any:
    """Returns a context in which `made` receives the type of each operation created in a graph."""
    # `_create_op_internal`: TensorFlow 2.21. There is no public hook for all operations.
    create = FuncGraph._create_op_internal

    def counted(graph: Any, op_type: str, *args: Any, **kwargs: Any) -> Any:
        made.append(op_type)
        return create(graph, op_type, *args, **kwargs)

    return mock.patch.object(FuncGraph, "_create_op_internal", counted)

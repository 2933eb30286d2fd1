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
from tensorflow.python.framework.func_graph import FuncGraph

from experiments.common.catalogue import FOLDER
from experiments.cost import WAYS, networks
from vg_keras import GradientMonitor


@dataclass(frozen=True)
class Training:
    """A training run to measure, `steps` steps at a time: plain, or in one of the `WAYS`."""

    network: str
    optimizer: str
    jit_compile: bool
    batch_size: int
    steps: int
    device: str
    way: str = "plain"


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
        is_plain = training.way == "plain"
        monitors = [] if is_plain else [GradientMonitor(folder, WAYS[training.way][1])]
        fit = partial(model.fit, batch_size=size, verbose=0, callbacks=monitors)
        operations: list[str] = []
        with counted_operations(operations):
            times = [_cpu_seconds(fit, x[: 2 * size], y[: 2 * size])]
        times += [_cpu_seconds(fit, x, y) for _ in range(3)]  # the fastest counts
    costs = [monitor.cost for monitor in monitors]
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

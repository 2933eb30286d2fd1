"""Trains one network in a process of its own and reports time and memory.

`python -m experiments.common.measured_training '{"network": ..., ...}'` prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from experiments.common import quiet

NEVER = 10**9
"""An `update_freq` so large that only the first step is recorded."""

ROUNDS = 3
"""How often the steps are timed; the fastest round counts."""


@dataclass(frozen=True)
class Training:
    """A training run to measure.

    Args:
        network: Its name.
        optimizer: The name of the optimizer.
        jit_compile: Whether XLA compiles the step.
        batch_size: Examples in a batch.
        steps: Number of steps that are timed together.
        update_freq: How often the monitor records; None to train without it.
    """

    network: str
    optimizer: str
    jit_compile: bool
    batch_size: int
    steps: int
    update_freq: int | None


def measure_in_process(training: Training, seconds: float | None) -> dict[str, float] | None:
    """Measures a training run in a process of its own.

    Args:
        training: The training run.
        seconds: Time limit.

    Returns:
        What `measure` returns; None if the time limit was exceeded.

    Raises:
        RuntimeError: If the process failed.
    """
    command = [sys.executable, "-m", __name__, json.dumps(asdict(training))]
    try:
        process = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    except subprocess.TimeoutExpired:
        return None
    if process.returncode:
        raise RuntimeError(f"Training {training} failed:\n{process.stderr}")
    found: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return found


def measure(training: Training) -> dict[str, float]:
    """Trains a network in this process, which must not have trained anything before.

    Returns:
        start_cpu_s: CPU-seconds until the second step had ended.
        start_wall_s: Wall-clock seconds until then.
        operations: Graph operations created until then.
        step_cpu_ms: CPU-milliseconds of each further step.
        peak_mb: Peak memory of the process, in megabytes.
        bytes_per_record: Size of the log per record; 0 without records.
    """
    import keras

    from experiments.common.real_networks import real_network
    from vg_keras import GradientMonitor

    keras.utils.set_random_seed(0)
    network = real_network(training.network)
    model = network.make()
    model.compile(
        training.optimizer, "sparse_categorical_crossentropy", jit_compile=training.jit_compile
    )
    x, y = network.data(training.steps * training.batch_size)
    few = 2 * training.batch_size
    with tempfile.TemporaryDirectory() as folder:
        callbacks = []
        if training.update_freq is not None:
            callbacks = [GradientMonitor(folder, training.update_freq)]
        how: dict[str, Any] = {
            "batch_size": training.batch_size,
            "verbose": 0,
            "callbacks": callbacks,
        }
        cpu, wall = time.process_time(), time.perf_counter()
        with _counted_operations() as made:
            model.fit(x[:few], y[:few], **how)
        found = {
            "start_cpu_s": time.process_time() - cpu,
            "start_wall_s": time.perf_counter() - wall,
            "operations": float(len(made)),
        }
        times = []
        for _ in range(ROUNDS):
            cpu = time.process_time()
            model.fit(x, y, **how)
            times.append(1e3 * (time.process_time() - cpu) / training.steps)
        num_records = callbacks[0].cost.num_records if callbacks else 0
        size = sum(path.stat().st_size for path in Path(folder).rglob("*tfevents*"))
    # In kilobytes on Linux, in bytes on macOS.
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return found | {
        "step_cpu_ms": min(times),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
        "bytes_per_record": size / max(num_records, 1),
    }


@contextmanager
def _counted_operations() -> Iterator[list[str]]:
    """Yields a list that collects the type of each operation created in a graph."""
    # `_create_op_internal`: TensorFlow 2.21. There is no public hook for all operations.
    from tensorflow.python.framework.func_graph import FuncGraph

    made: list[str] = []
    create = FuncGraph._create_op_internal

    def counted(graph: Any, op_type: str, *args: Any, **kwargs: Any) -> Any:
        made.append(op_type)
        return create(graph, op_type, *args, **kwargs)

    with mock.patch.object(FuncGraph, "_create_op_internal", counted):
        yield made


if __name__ == "__main__":
    quiet.import_tensorflow()
    print(json.dumps(measure(Training(**json.loads(sys.argv[1])))))

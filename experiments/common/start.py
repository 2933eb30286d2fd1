"""Starts TensorFlow without its log output, on the device that an experiment trains on.

No other module of the experiments imports TensorFlow or Keras before this function has run.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib

from experiments.common.options import UsageError


def start_tensorflow(device: str, threads: int = 0) -> str:
    """Starts TensorFlow on a device, silently if that succeeds, and returns the device in words.

    Args:
        device: "cpu", "gpu", or "auto" for a GPU if available.
        threads: Number of threads for each kind of parallelism; 0 leaves it to TensorFlow.

    Raises:
        UsageError: If a GPU was requested and TensorFlow sees none.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # That setting alone does not help: TensorFlow 2.21 logs to the file descriptor of standard
    # error before it reads it.
    with _stderr_held_back():
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()
    # TensorFlow warns of retracing when many models are trained for a few steps each, as here.
    tf.get_logger().setLevel("ERROR")
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    return _choose(tf, device)


def _choose(tf: Any, device: str) -> str:
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise UsageError(
            "Expected a GPU for --device gpu. TensorFlow sees none. Install the package's extra "
            '"cuda" for an NVIDIA GPU under Linux, or use --device cpu.'
        )
    if device == "cpu" or not gpus:
        tf.config.set_visible_devices([], "GPU")
        return "CPU" if device == "cpu" else "CPU (TensorFlow sees no GPU)"
    for gpu in gpus:  # otherwise the first process would allocate all of the memory
        tf.config.experimental.set_memory_growth(gpu, True)
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"GPU ({details.get('device_name', gpus[0].name)})"


def default_jobs(device_name: str) -> int:
    """Returns how many processes may train at once: one on a GPU, otherwise one per core."""
    return 1 if device_name.startswith("GPU") else joblib.cpu_count()


@contextmanager
def _stderr_held_back() -> Iterator[None]:
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)

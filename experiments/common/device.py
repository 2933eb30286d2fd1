"""Chooses the device that an experiment trains on."""

from __future__ import annotations

import joblib
import tensorflow as tf

from experiments.common.errors import UsageError


def choose(device: str) -> str:
    """Makes TensorFlow use the requested device.

    Args:
        device: "cpu", "gpu", or "auto" for a GPU if available.

    Returns:
        The chosen device, in words.

    Raises:
        UsageError: If a GPU was requested and TensorFlow sees none.
    """
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

"""Which device an experiment trains on."""

from __future__ import annotations

import joblib
import tensorflow as tf

from experiments.common.errors import UsageError


def choose(device: str) -> str:
    """Makes TensorFlow use the device that was asked for.

    Args:
        device: "cpu", "gpu", or "auto" for a GPU where there is one.

    Returns:
        What was chosen, in words.

    Raises:
        UsageError: A GPU was asked for and TensorFlow sees none.
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
    for gpu in gpus:  # or the first process would take all of the memory for itself
        tf.config.experimental.set_memory_growth(gpu, True)
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"GPU ({details.get('device_name', gpus[0].name)})"


def default_jobs(device_name: str) -> int:
    """Returns how many processes may train at once: one on a GPU, else one for each core."""
    return 1 if device_name.startswith("GPU") else joblib.cpu_count()

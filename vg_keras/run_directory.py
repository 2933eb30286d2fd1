"""Where the runs of a monitor are written, so that no two training runs mix in one directory.

A run is a subdirectory of the log directory. A copy of a monitor, as KerasTuner makes for each
trial, gets its own directory inside the original's, and each worker of a distributed training run
gets its own run.
"""

from __future__ import annotations

import os
from pathlib import Path

import tensorflow as tf


def absolute(log_dir: str) -> str:
    """Returns the absolute path, because the working directory may change during training."""
    return log_dir if is_remote(log_dir) else os.path.abspath(log_dir)


def is_remote(path: str) -> bool:
    """Whether a path has a scheme, such as "gs://"."""
    return "://" in path


def directory_of_copy(log_dir: str) -> str:
    """Creates the log directory of a copy: the first free one of `copy_1`, `copy_2`, and so on.

    Args:
        log_dir: The log directory of the original.

    Raises:
        ValueError: If no directory can be made there.
    """
    number = 1
    try:
        tf.io.gfile.makedirs(log_dir)
        while not _made(directory := os.path.join(log_dir, f"copy_{number}")):
            number += 1
    except (tf.errors.OpError, OSError) as error:
        raise unwritable(log_dir, error) from error
    return directory


def _made(directory: str) -> bool:
    """Makes a directory, and returns whether it is new."""
    if is_remote(directory):
        if tf.io.gfile.exists(directory):
            return False
        tf.io.gfile.makedirs(directory)
        return True
    try:
        Path(directory).mkdir()  # of two processes one fails
    except FileExistsError:
        return False
    return True


def unwritable(log_dir: str, error: Exception) -> ValueError:
    """Returns the error that tells a user of a log directory that can't be used."""
    return ValueError(
        "`log_dir` must be a directory that can be made and written to. "
        f"Received: log_dir={log_dir!r}. {reason_of(error)}. Use another directory."
    )


def reason_of(error: Exception) -> str:
    """Returns what an error of the file system says, without a period at the end."""
    if isinstance(error, tf.errors.OpError):
        return str(error.message).rstrip(".")
    return str(getattr(error, "strerror", None) or error).rstrip(".")


def suffix_of_worker(strategy: tf.distribute.Strategy) -> str:
    """Returns the suffix of this worker's runs: empty for the chief."""
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not resolver.task_type:
        return ""  # trained by one process
    has_chief = "chief" in resolver.cluster_spec().jobs
    is_chief = resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)
    return "" if is_chief else f"_{resolver.task_type}_{resolver.task_id}"

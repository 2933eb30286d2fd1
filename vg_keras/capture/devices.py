"""Waits for asynchronous devices, and identifies the worker in distributed training."""

from __future__ import annotations

import contextlib

import tensorflow as tf


def wait_for_devices() -> None:
    """Waits until the devices have finished all pending work, if they support it."""
    with contextlib.suppress(tf.errors.OpError):
        tf.test.experimental.sync_devices()


def is_one_of_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes train the same model together with this one.

    Args:
        strategy: The strategy that the model is trained under.
    """
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not resolver.task_type:
        return False
    return sum(map(len, resolver.cluster_spec().as_dict().values())) > 1


def suffix_of_worker(strategy: tf.distribute.Strategy) -> str:
    """Returns the suffix for the names of this worker's runs: empty for a chief or single process.

    Args:
        strategy: The strategy that the model is trained under.
    """
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not resolver.task_type:
        return ""
    has_chief = "chief" in resolver.cluster_spec().jobs
    is_chief = resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)
    return "" if is_chief else f"_{resolver.task_type}_{resolver.task_id}"

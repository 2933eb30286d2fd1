"""Frees graphs of traces that TensorFlow would never release.

Keras's `optimizer.apply` sums gradients over replicas with a `tf.custom_gradient`. TensorFlow
registers each of them permanently under a unique name while it traces a graph, which keeps the
graph alive. Training one model after another, each with a monitor, would fill the memory. That sum
is not differentiated once the step has been traced, so its registration is removed.

Tested with TensorFlow 2.20 and 2.21.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tensorflow.python.framework import ops

_SUM_OVER_REPLICAS = "ReplicaContextBase.all_reduce"


@contextmanager
def sums_over_replicas_released() -> Iterator[None]:
    """Removes, on exit, the gradients of sums over replicas that were registered in the block."""
    # Private: the registry that `tf.RegisterGradient` writes to.
    registry: dict[str, Any] = getattr(ops.gradient_registry, "_registry", {})
    before = set(registry)
    try:
        yield
    finally:
        for name in registry.keys() - before:
            if _is_sum_over_replicas(registry[name]):
                del registry[name]


def _is_sum_over_replicas(entry: Any) -> bool:
    function = entry.get("type") if isinstance(entry, dict) else None
    return _closes_over(function, _SUM_OVER_REPLICAS, depth=4)


def _closes_over(function: Any, name: str, depth: int) -> bool:
    """Whether a function, or one in its closures, is defined inside a function of that name."""
    if name in str(getattr(function, "__qualname__", "")):
        return True
    cells = getattr(function, "__closure__", None) or ()
    return depth > 0 and any(_closes_over(_contents(cell), name, depth - 1) for cell in cells)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned
        return None

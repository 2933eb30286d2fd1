"""Frees the graphs of traces that TensorFlow would keep for ever.

`optimizer.apply` of Keras sums gradients over replicas by a `tf.custom_gradient`. While a graph is
traced, TensorFlow registers each of them under a name of its own, for good, and with it the graph.
A step that trains one model after another, each with a monitor, would fill the memory. Nothing
differentiates that sum once the step has been traced, so its registration is removed.

Tried with TensorFlow 2.20 and 2.21.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tensorflow.python.framework import ops

_SUM_OVER_REPLICAS = "ReplicaContextBase.all_reduce"


@contextmanager
def sums_over_replicas_released() -> Iterator[None]:
    """Removes what is registered within, of sums over replicas alone."""
    # Private: what `tf.RegisterGradient` writes to.
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
    """Whether a function, or one that it closes over, is defined in a function of that name."""
    if name in str(getattr(function, "__qualname__", "")):
        return True
    cells = getattr(function, "__closure__", None) or ()
    return depth > 0 and any(_closes_over(_contents(cell), name, depth - 1) for cell in cells)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned
        return None

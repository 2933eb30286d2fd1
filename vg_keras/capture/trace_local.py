"""Trace-local storage: one value per thread and per graph, like `threading.local`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import tensorflow as tf

T = TypeVar("T")


class TraceLocal(Generic[T]):
    """A separate value for each thread and graph in which a step is traced or runs eagerly.

    Under a strategy each replica runs the step in a separate thread, and tensors of one graph can't
    be used in another.

    Args:
        make: Creates the initial value.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._local = threading.local()

    def begin(self) -> None:
        """Discards the values of this thread."""
        self._local.of_graph = {}

    def forget(self) -> None:
        """Discards the values of all threads: another one may have called the model too."""
        self._local = threading.local()

    def here(self) -> T:
        """Returns the value of the current thread and graph, creating it if there is none."""
        values = self._values()
        graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        if graph not in values:
            values[graph] = self._make()
        return values[graph]

    def around(self) -> Iterator[T]:
        """Yields the values of the enclosing graphs, from the innermost to the outermost.

        A branch of a `tf.cond` has a separate graph inside that of the step.
        """
        values = self._values()
        graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        while (graph := getattr(graph, "outer_graph", None)) is not None:
            if graph in values:
                yield values[graph]

    def _values(self) -> dict[tf.Graph | None, T]:
        if not hasattr(self._local, "of_graph"):
            self.begin()
        return self._local.of_graph

"""Keeps what belongs to a step while it is traced or run: apart by thread and by graph."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import tensorflow as tf

T = TypeVar("T")


class TraceLocal(Generic[T]):
    """A value for each thread and graph in which a step is traced, or run eagerly.

    Under a strategy each replica runs the step in a thread of its own, and tensors of one graph
    can't be used in another.

    Args:
        make: Makes the value where there is none yet.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._local = threading.local()

    def begin(self) -> None:
        """Forgets the values of this thread."""
        self._local.of_graph = {}

    def forget(self) -> None:
        """Forgets those of any thread: another one may have called the model meanwhile."""
        self._local = threading.local()

    def here(self) -> T:
        """Returns the value that belongs here."""
        values = self._values()
        graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        if graph not in values:
            values[graph] = self._make()
        return values[graph]

    def around(self) -> Iterator[T]:
        """Yields the values of the graphs around this one, from the inside to the outside.

        The branch of a `tf.cond` has a graph of its own, within that of the step.
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

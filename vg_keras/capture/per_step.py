"""Keeps what belongs to a step while it is traced or run: apart by thread and by graph."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import tensorflow as tf

T = TypeVar("T")


class PerStep(Generic[T]):
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
        if not hasattr(self._local, "of_graph"):
            self.begin()
        graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        if graph not in self._local.of_graph:
            self._local.of_graph[graph] = self._make()
        return self._local.of_graph[graph]

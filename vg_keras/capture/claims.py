"""Notices that two threads train one model, or share one monitor.

While a step is recorded, methods of the model are replaced. A second thread in the same model would
replace the replacements, and end in a RecursionError or in a record of both.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_threads: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
"""The thread that last began to train a model, or to train with a monitor."""


def claim(*used: Any) -> None:
    """Says that the current thread begins to train with these objects.

    A claim is not refused: a training run that raised an error has never released its own.
    """
    for one in used:
        _threads[one] = threading.get_ident()


def check(*used: Any) -> None:
    """Checks that no other thread has claimed one of these objects since.

    Raises:
        RuntimeError: If another thread has.
    """
    here = threading.get_ident()
    if any(_threads.get(one, here) != here for one in used):
        raise RuntimeError(
            "Another thread has begun to train the same model, or with the same GradientMonitor. "
            "Give each thread a model and a monitor of its own, or train one after the other."
        )


def release(*used: Any) -> None:
    """Says that the current thread has ended its training."""
    for one in used:
        if _threads.get(one) == threading.get_ident():
            del _threads[one]


_watched: dict[int, int] = {}
"""The thread that watches a model at present, by the id of the model."""
_lock = threading.Lock()


@contextmanager
def alone_with(model: Any) -> Iterator[None]:
    """Makes sure that no other thread watches a model at the same time.

    Raises:
        RuntimeError: If one does.
    """
    here = threading.get_ident()
    with _lock:
        is_outermost = id(model) not in _watched
        if _watched.setdefault(id(model), here) != here:
            raise RuntimeError(
                f"Another thread records a step of the model {model.name!r} at the same time. Give "
                "each thread a model and a monitor of its own, or train one after the other."
            )
    try:
        yield
    finally:
        if is_outermost:
            with _lock:
                del _watched[id(model)]

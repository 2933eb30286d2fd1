"""Detects two threads that train one model or share one monitor.

While a step is recorded, methods of the model are replaced. A second thread in the same model would
replace the replacements, which ends in a RecursionError or in a record that mixes both.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_threads: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
"""The thread that last started training a model, or training with a monitor."""


def claim(*used: Any) -> None:
    """Claims models or monitors for the current thread when it starts training.

    A claim is never refused, because a training run that raised an error never released its own.
    """
    for one in used:
        _threads[one] = threading.get_ident()


def check(*used: Any) -> None:
    """Checks that no other thread has claimed one of these objects in the meantime.

    Raises:
        RuntimeError: If another thread has claimed one.
    """
    here = threading.get_ident()
    if any(_threads.get(one, here) != here for one in used):
        raise RuntimeError(
            "Another thread started training the same model or using the same GradientMonitor. "
            "Use a separate model and monitor in each thread, or train one after the other."
        )


def release(*used: Any) -> None:
    """Releases the claims of the current thread when it stops training."""
    for one in used:
        if _threads.get(one) == threading.get_ident():
            del _threads[one]


_watched: dict[int, int] = {}
"""The thread that is watching a model, by the id of the model."""
_lock = threading.Lock()


@contextmanager
def alone_with(model: Any) -> Iterator[None]:
    """Ensures that no other thread watches a model at the same time.

    Raises:
        RuntimeError: If another thread is watching it.
    """
    here = threading.get_ident()
    with _lock:
        is_outermost = id(model) not in _watched
        if _watched.setdefault(id(model), here) != here:
            raise RuntimeError(
                f"Another thread is recording a step of the model {model.name!r}. Use a separate "
                "model and monitor in each thread, or train one after the other."
            )
    try:
        yield
    finally:
        if is_outermost:
            with _lock:
                del _watched[id(model)]

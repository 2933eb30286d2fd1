"""Lets Python code that draws random numbers run once more with the same numbers.

A train step may draw from `random` or `np.random` while it is traced: the number becomes a constant
of the graph. The trace that records must draw the same one, and must not change what the user draws
later.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

RandomState = tuple[Any, Any]
"""The states of `random` and of `np.random`."""


def random_state() -> RandomState:
    """Returns the present state."""
    return random.getstate(), np.random.get_state()


@contextmanager
def drawing_again(since: RandomState) -> Iterator[None]:
    """Draws the numbers that were drawn since then; afterwards the state is as before."""
    now = random_state()
    _restore(since)
    try:
        yield
    finally:
        _restore(now)


def _restore(state: RandomState) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])

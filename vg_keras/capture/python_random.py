"""Reruns Python code with the same random numbers.

A train step may draw from `random` or `np.random` while it is traced, and the number becomes a
constant of the graph. The recording trace must draw the same number, and must not change what the
user draws later.
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
    """Returns the current states."""
    return random.getstate(), np.random.get_state()


@contextmanager
def drawing_again(since: RandomState) -> Iterator[None]:
    """Draws the same numbers as since the given state, and restores the current one on exit."""
    now = random_state()
    _restore(since)
    try:
        yield
    finally:
        _restore(now)


def _restore(state: RandomState) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])

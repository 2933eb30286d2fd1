"""Shares traced functions between monitors that measure the same things of a model.

They are stored with the model, or with its train function, and freed with it.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_ATTRIBUTE = "_vg_keras_captures"

MAX_KEPT = 4
"""Maximum number of values kept per object. A filter function that is created again for each
monitor counts as a different choice."""


def shared(owner: Any, key: Any, make: Callable[[], T]) -> T:
    """Returns the value that an object keeps under a key, creating it if there is none.

    Args:
        owner: The object. If it can't have attributes, nothing is kept.
        key: The key, compared by value; it need not be hashable.
        make: Creates the value.
    """
    kept: list[tuple[Any, T]] = []
    # Not on a method, whose attributes are those of the function in the class.
    if hasattr(owner, "__dict__") and not isinstance(owner, types.MethodType):
        kept = vars(owner).setdefault(_ATTRIBUTE, kept)
    found = [value for other, value in kept if other == key]
    if found:
        return found[0]
    value = make()
    kept.append((key, value))
    del kept[:-MAX_KEPT]
    return value

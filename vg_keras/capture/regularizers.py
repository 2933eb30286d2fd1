"""Observes the penalties that regularizers return.

`taps.py` installs this for every regularized variable of a model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import keras

from vg_keras.capture.patches import replace_attribute

_STAND_IN = "_vg_keras_stands_in"


def note_penalties(
    variable: keras.Variable, note: Callable[[keras.Variable, Any], None], stack: ExitStack
) -> None:
    """Replaces a variable's regularizer with one of a subclass that notes what it returns.

    It shares the attributes of the original, because a train step may read them.

    Args:
        variable: The variable.
        note: Called with the variable and each penalty.
        stack: Restores the regularizer.
    """
    regularizer = variable.regularizer
    if hasattr(regularizer, _STAND_IN):
        return

    def call(stand_in: Any, *args: Any, **kwargs: Any) -> Any:
        penalty = regularizer(*args, **kwargs)
        note(variable, penalty)
        return penalty

    kind = type(regularizer)
    with contextlib.suppress(TypeError):  # a class that can't be subclassed is not replaced
        noting = type(kind.__name__, (kind,), {"__call__": call, _STAND_IN: True})
        stand_in: Any = object.__new__(noting)
        stand_in.__dict__ = vars(regularizer)
        replace_attribute(variable, "regularizer", stand_in, stack)

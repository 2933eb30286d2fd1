"""Finds the `tf.function` behind a train function, and traces it without running it."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import tensorflow as tf

PolymorphicFunction: TypeAlias = Any
"""A `tf.types.experimental.PolymorphicFunction`: what `tf.function` returns."""

ConcreteFunction: TypeAlias = Any
"""A `tf.types.experimental.ConcreteFunction`: one trace of it."""


def outermost_function(function: Callable[..., Any]) -> PolymorphicFunction | None:
    """Returns the `tf.function` that a train function runs, or None.

    Keras 3.15 makes a train function in plain Python, around a `tf.function` that takes the
    iterator and calls another one for each step. None means that no Python of the step is cached:
    the model runs eagerly, or it can't be told which function does the work.
    """
    if tf.config.functions_run_eagerly():
        return None
    found = list(_functions_in(function, set()))
    inner = {id(f) for outer in found for f in _functions_in(outer.python_function, set())}
    outermost = [f for f in found if id(f) not in inner]
    return outermost[0] if len(outermost) == 1 else None


def trace(function: PolymorphicFunction, iterator: Any) -> tuple[ConcreteFunction, bool]:
    """Returns the trace of a function for an iterator, and whether it was traced just now."""
    count = function.experimental_get_tracing_count()
    concrete = function.get_concrete_function(iterator)
    return concrete, function.experimental_get_tracing_count() > count


def _functions_in(function: Any, seen: set[int]) -> Iterator[PolymorphicFunction]:
    """Yields the `tf.function`s that plain Python functions hold in their closures."""
    if id(function) in seen:
        return
    seen.add(id(function))
    if isinstance(function, tf.types.experimental.PolymorphicFunction):
        yield function
    elif isinstance(function, functools.partial):
        yield from _functions_in(function.func, seen)
    elif isinstance(function, types.MethodType):
        yield from _functions_in(function.__func__, seen)
    elif isinstance(function, types.FunctionType):
        for cell in function.__closure__ or ():
            try:
                contents = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            yield from _functions_in(contents, seen)

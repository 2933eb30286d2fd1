"""Finds the `tf.function`s behind a train function, and traces them without running them.

`graph_difference.py` compares the traces.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import tensorflow as tf

PolymorphicFunction: TypeAlias = Any
"""A `tf.types.experimental.PolymorphicFunction`, as returned by `tf.function`."""

ConcreteFunction: TypeAlias = Any
"""A `tf.types.experimental.ConcreteFunction`, one trace of a `tf.function`."""


def outermost_functions(function: Callable[..., Any]) -> list[PolymorphicFunction]:
    """Returns the `tf.function`s that a train function runs, without those nested in them.

    In Keras 3.15 a train function is plain Python around a `tf.function` that takes the iterator
    and calls another one for each step. If the model runs eagerly there is none, and no Python code
    of the step is cached.
    """
    if tf.config.functions_run_eagerly():
        return []
    found = list(_functions_in(function, set()))
    inner = {id(f) for outer in found for f in _functions_in(outer.python_function, set())}
    return [f for f in found if id(f) not in inner]


def functions_in(function: Callable[..., Any]) -> list[PolymorphicFunction]:
    """Returns the `tf.function`s that a train function runs, and those directly nested in them."""
    outer = list(_functions_in(function, set()))
    return outer + [f for one in outer for f in _functions_in(one.python_function, set())]


def takes_iterator(function: PolymorphicFunction, iterator: Any) -> bool:
    """Whether a `tf.function` is Keras's own, which takes an iterator such as this one.

    A function from a custom `make_train_function` may take anything.
    """
    is_keras = getattr(function.python_function, "__module__", "").startswith("keras.")
    return is_keras and isinstance(iterator, (tf.data.Iterator, tf.distribute.DistributedIterator))


def trace(
    function: PolymorphicFunction, /, *args: Any, **kwargs: Any
) -> tuple[ConcreteFunction, bool]:
    """Returns the trace of a function for the given arguments, and whether it is new."""
    count = function.experimental_get_tracing_count()
    concrete = function.get_concrete_function(*args, **kwargs)
    return concrete, function.experimental_get_tracing_count() > count


def traces_of(function: PolymorphicFunction) -> list[ConcreteFunction]:
    """Returns all existing traces of a function."""
    return list(function._list_all_concrete_functions())  # private: TensorFlow 2.21


def trace_like(function: PolymorphicFunction, concrete: ConcreteFunction) -> ConcreteFunction:
    """Returns the trace of a function for the arguments of another function's trace."""
    args, kwargs = concrete.structured_input_signature
    return function.get_concrete_function(*args, **kwargs)


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

"""Follows tensors out of the body of a `tf.vectorized_map`.

TensorFlow traces the body once, on a placeholder for the number of the row, and then converts each
of its operations into one that works on all rows at once. The tensors of the body stay in the
graph, but nothing that trains is computed from them; their conversions take their place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

# Private: the conversions can't be had otherwise. Tried with TensorFlow 2.21.
from tensorflow.python.ops.parallel_for.pfor import PFor

from vg_keras.capture.calls import tensors_behind
from vg_keras.capture.patches import Method, SharedMethod

Conversion = Callable[[tf.Tensor], tf.Tensor]
"""Returns the tensor of all rows that takes the place of one of the body; another one as it is."""


@contextmanager
def following_conversions(listener: Callable[[Conversion], None]) -> Iterator[None]:
    """Calls a listener with the conversion, each time that a body was converted."""
    with _CONVERT.listened_to_by(listener):
        yield


def is_in_body(tensor: tf.Tensor) -> bool:
    """Whether a tensor of a graph belongs to a single row, and was not converted."""
    return not _row_numbers(tensor.graph).isdisjoint(tensors_behind([tensor]))


def has_bodies(graph: tf.Graph) -> bool:
    """Whether there is the body of a vectorized map in a graph."""
    return bool(_row_numbers(graph))


def _row_numbers(graph: tf.Graph) -> set[int]:
    operations = graph.get_operations()
    return {id(op.outputs[0]) for op in operations if op.type == "PlaceholderWithDefault"}


def _telling(original: Method, listeners: list[Callable[[Conversion], None]]) -> Method:
    @functools.wraps(original)
    def convert(pfor: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(pfor, *args, **kwargs)
        conversions = pfor._conversion_map

        def converted(tensor: tf.Tensor) -> tf.Tensor:
            return conversions[tensor].t if tensor in conversions else tensor

        for listener in list(listeners):
            listener(converted)
        return result

    return convert


_CONVERT: SharedMethod[Callable[[Conversion], None]] = SharedMethod(PFor, "convert", _telling)

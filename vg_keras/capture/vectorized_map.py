"""Follows tensors out of the body of a `tf.vectorized_map`.

TensorFlow traces the body once, on a placeholder for the number of the row, and then converts each
of its operations into one that works on all rows at once. The tensors of the body stay in the
graph, but nothing that trains is computed from them; their conversions take their place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
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


def single_rows(tensors: Sequence[tf.Tensor]) -> set[int]:
    """Returns the ids of the tensors of a graph that belong to a single row."""
    rows = {
        id(op.outputs[0])
        for graph in {tensor.graph for tensor in tensors}
        for op in graph.get_operations()
        if op.type == "PlaceholderWithDefault"
    }
    return {id(t) for t in tensors if not rows.isdisjoint(tensors_behind([t]))} if rows else set()


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

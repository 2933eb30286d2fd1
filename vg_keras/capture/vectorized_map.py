"""Maps tensors in the body of a `tf.vectorized_map` to their conversions.

TensorFlow traces the body once, on a placeholder for the row number, and then converts each of its
operations into one that works on all rows at once. The tensors of the body stay in the graph, but
the loss is computed from their conversions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

# Private: there is no other way to get the conversions. Tested with TensorFlow 2.21.
from tensorflow.python.ops.parallel_for.pfor import PFor

from vg_keras.capture.calls import tensors_behind
from vg_keras.capture.patches import Method, SharedMethod

Conversion = Callable[[tf.Tensor], tf.Tensor]
"""Function that returns the conversion of a tensor to all rows, or any other tensor unchanged."""


@contextmanager
def following_conversions(listener: Callable[[Conversion], None]) -> Iterator[None]:
    """Calls a listener with the conversion each time a body is converted."""
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

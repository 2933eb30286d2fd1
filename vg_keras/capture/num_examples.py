"""The number of examples in the outputs of layers, counted inside the step."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from vg_keras.capture.calls import Call


def examples_of(layers: Sequence[Sequence[Call]], counts: tf.Tensor) -> tf.Tensor:
    """Returns the number of examples of each layer's first call, int64 `[n]`.

    This is the length of the first axis; a scalar is one example. If no other length is unknown, it
    is computed from the number of elements, which saves an operation for each layer.

    Args:
        layers: The calls of n layers.
        counts: The counts of all elements of their outputs, int64 `[n, 2048]`.
    """
    sizes = [_size_of_example(calls) for calls in layers]
    known = [
        0 if size else _num_examples(calls[0]) for size, calls in zip(sizes, layers, strict=True)
    ]
    found = tf.convert_to_tensor(known, tf.int64)
    if any(sizes):
        found += tf.reduce_sum(counts, axis=1) // [size or tf.int64.max for size in sizes]
    return found


def _size_of_example(calls: Sequence[Call]) -> int:
    """Returns the number of elements of one example's output, or 0 if it is of no use.

    It is of no use if there are several calls, if the number of examples is known, or if another
    length of the output is unknown too.
    """
    value, shape = calls[0].value, calls[0].value.shape
    if len(calls) > 1 or calls[0].examples is not None or not shape.rank or shape[0] is not None:
        return 0
    return (shape[1:].num_elements() or 0) * (2 if value.dtype.is_complex else 1)


def _num_examples(call: Call) -> int | tf.Tensor:
    if call.examples is not None:
        return tf.cast(call.examples, tf.int64)
    shape = call.value.shape
    if shape.rank == 0:
        return 1
    if shape.rank is not None and shape[0] is not None:
        return int(shape[0])
    return tf.concat([tf.shape(call.value, tf.int64), [1]], axis=0)[0]

"""Tells whether anything has changed the state of a model."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import tensorflow as tf

from vg_keras.capture.op_callbacks import suspended
from vg_keras.capture.optimizers import optimizers_of


class ModelState:
    """A fingerprint of all variables that a train step may assign.

    A number for each variable is kept, not a copy: it is taken where memory may be short.

    Args:
        model: The model.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._fingerprint = self._taken()

    def has_changed(self) -> bool:
        """Whether a variable has another value, or there are other variables."""
        return self._taken() != self._fingerprint

    def _taken(self) -> list[tuple[int, int]]:
        with suspended():
            return [(id(v), _sum_of_bits(v)) for v in self._variables()]

    def _variables(self) -> Iterator[keras.Variable]:
        yield from self._model.variables
        yield from self._model.metrics_variables
        for optimizer in optimizers_of(self._model):
            yield from optimizer.variables


def _sum_of_bits(variable: keras.Variable) -> int:
    """Returns the sum of the bits of all elements, read as integers, modulo 2**32."""
    value = tf.convert_to_tensor(variable.value)
    if value.dtype in (tf.bool, tf.string):
        value = tf.strings.to_hash_bucket_fast(tf.strings.as_string(value), 2**31 - 1)
    return int(tf.reduce_sum(tf.cast(tf.bitcast(value, tf.uint8), tf.uint32)).numpy())

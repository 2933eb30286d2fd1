"""Detects whether the state of a model has changed.

`train_function.py` uses it to find out whether a failed step left the model untouched.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from vg_keras.capture.op_callbacks import suspended
from vg_keras.capture.optimizers import optimizers_of


class ModelState:
    """Fingerprint of all variables that a train step may assign.

    Keeps one number per variable instead of a copy, because it is taken where memory may be short.

    Args:
        model: The model.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._fingerprint = self._taken()

    def has_changed(self) -> bool:
        """Whether a variable has changed, or variables were added or removed."""
        return self._taken() != self._fingerprint

    def _taken(self) -> dict[int, int]:
        with suspended():
            return {key: _sum_of_bits(v) for key, v in self._variables().items()}

    def _variables(self) -> dict[int, keras.Variable]:
        model = self._model
        of_optimizers = [v for optimizer in optimizers_of(model) for v in optimizer.variables]
        return {id(v): v for v in (*model.variables, *model.metrics_variables, *of_optimizers)}


_INTEGERS = {1: tf.int8, 2: tf.int16, 4: tf.int32}
"""Integer types by size in bytes. Larger elements are read as several int64."""


def _sum_of_bits(variable: keras.Variable) -> int:
    """Returns the sum of all elements with their bits read as integers, with overflow.

    Elements of four bytes or more are not copied.
    """
    value = tf.convert_to_tensor(variable.value)
    if value.dtype == tf.bool:
        value = tf.cast(value, tf.int32)
    elif value.dtype == tf.string:
        value = tf.strings.to_hash_bucket_fast(value, 2**31 - 1)
    bits = tf.bitcast(value, _INTEGERS.get(value.dtype.size, tf.int64))
    return int(tf.reduce_sum(tf.cast(bits, tf.int32) if value.dtype.size < 4 else bits).numpy())

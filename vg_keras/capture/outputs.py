"""Helpers for the output of a layer: its values, its number of examples and its logits.

`taps.py` uses them to choose the tensor that is measured.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def name_of_call(layer: keras.layers.Layer) -> str:
    """Returns the name of the method that computes a layer's output."""
    # Keras 3.15 calls `quantized_call` instead of `call` if `quantization_mode` is set.
    return "call" if getattr(layer, "quantization_mode", None) is None else "quantized_call"


def is_inexact(output: Any) -> bool:
    """Whether an output is a dense tensor of floating-point or complex numbers."""
    return isinstance(output, tf.Tensor) and (output.dtype.is_floating or output.dtype.is_complex)


def values_of(output: Any) -> Any:
    """Returns the flat values of a ragged or sparse output, and any other output unchanged."""
    if isinstance(output, tf.RaggedTensor):
        return output.flat_values
    return output.values if isinstance(output, tf.SparseTensor) else output


def rows_of(output: Any) -> tf.Tensor | None:
    """Returns the number of rows of a ragged or sparse output, or None for any other."""
    if isinstance(output, tf.RaggedTensor):
        return output.nrows()
    return output.dense_shape[0] if isinstance(output, tf.SparseTensor) else None


def logits_of(output: Any) -> tf.Tensor | None:
    """Returns the logits from which Keras 3.15 may compute a cross-entropy instead, or None."""
    logits = getattr(output, "_keras_logits", None)
    if logits is None and isinstance(output, tf.Tensor) and not tf.executing_eagerly():
        logits = output.op.inputs[0] if output.op.type in ("Softmax", "Sigmoid") else None
    return logits if isinstance(logits, tf.Tensor) else None


def with_keras_attributes(tensor: tf.Tensor, of: tf.Tensor) -> tf.Tensor:
    """Returns a tensor with the `_keras` attributes of another, such as the next layer's mask.

    `_keras_mask` and the like are private: Keras 3.15.
    """
    for name, value in vars(of).items():
        if name.startswith("_keras"):
            setattr(tensor, name, value)
    return tensor

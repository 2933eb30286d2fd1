"""What a layer has put out, and which tensor of it is measured."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def name_of_call(layer: keras.layers.Layer) -> str:
    """Returns the name of the method that computes a layer's output."""
    # `quantization_mode`: Keras 3.15 calls `quantized_call` instead of `call` where it is set.
    return "call" if getattr(layer, "quantization_mode", None) is None else "quantized_call"


def is_inexact(output: Any) -> bool:
    """Whether something is a dense tensor of floating-point or complex numbers."""
    return isinstance(output, tf.Tensor) and (output.dtype.is_floating or output.dtype.is_complex)


def values_of(output: Any) -> Any:
    """Returns the tensor that holds the numbers of a ragged or sparse output, or of another one."""
    if isinstance(output, tf.RaggedTensor):
        return output.flat_values
    return output.values if isinstance(output, tf.SparseTensor) else output


def rows_of(output: Any) -> tf.Tensor | None:
    """Returns the number of rows where the values of an output do not tell."""
    if isinstance(output, tf.RaggedTensor):
        return output.nrows()
    return output.dense_shape[0] if isinstance(output, tf.SparseTensor) else None


def logits_of(output: Any) -> tf.Tensor | None:
    """Returns what Keras 3.15 may compute a cross-entropy from in place of an output."""
    logits = getattr(output, "_keras_logits", None)
    if logits is None and isinstance(output, tf.Tensor) and not tf.executing_eagerly():
        logits = output.op.inputs[0] if output.op.type in ("Softmax", "Sigmoid") else None
    return logits if isinstance(logits, tf.Tensor) else None


def with_keras_attributes(tensor: tf.Tensor, of: tf.Tensor) -> tf.Tensor:
    """Copies what Keras 3.15 attaches to a tensor, such as `_keras_mask` for the next layer."""
    for name, value in vars(of).items():
        if name.startswith("_keras"):
            setattr(tensor, name, value)
    return tensor

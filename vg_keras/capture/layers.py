"""Properties of a single Keras layer: its inner layers, variables, activation and unit axis.

`model_map.py` walks over the layers of a model.
"""

from __future__ import annotations

import keras

from vg_keras.activations import ACTIVATIONS, Activation, Bounds

_ACTIVATION_LAYERS = (
    keras.layers.Activation,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Softmax,
)


def inner_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the direct inner layers whose calls can be observed.

    A recurrent layer has none: its cell runs inside a loop, and its own output contains the same
    values.
    """
    return [] if hides_children(layer) else children(layer)


def hides_children(layer: keras.layers.Layer) -> bool:
    """Whether the calls of a layer's inner layers can't be observed."""
    return isinstance(layer, keras.layers.RNN)


def is_observed(layer: keras.layers.Layer) -> bool:
    """Whether a layer's output is of interest: it has its own weights, or is an activation."""
    if isinstance(layer, (*_ACTIVATION_LAYERS, keras.layers.RNN)):
        return True
    return bool(own_variables(layer) or layer._non_trainable_variables)


def own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns a layer's own variables that are trainable, or were before it was frozen."""
    # `_trainable_variables` (Keras 3.15) excludes those of inner layers.
    return list(layer._trainable_variables)


def regularized_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns a layer's own variables with a regularizer, and those of a recurrent layer's cell."""
    is_recurrent = isinstance(layer, keras.layers.RNN)
    variables = layer.trainable_variables if is_recurrent else own_variables(layer)
    return [variable for variable in variables if variable.regularizer is not None]


def activation_of(layer: keras.layers.Layer) -> str | None:
    """Returns the name of a layer's activation function, or None if it has none."""
    if isinstance(layer, keras.layers.ReLU):
        return _name_of_relu(layer)
    names = {
        keras.layers.ELU: "elu",
        keras.layers.LeakyReLU: "leaky_relu",
        keras.layers.PReLU: "prelu",
        keras.layers.Softmax: "softmax",
    }
    for kind, name in names.items():
        if isinstance(layer, kind):
            return name
    return getattr(getattr(layer, "activation", None), "__name__", None)


def _name_of_relu(layer: keras.layers.ReLU) -> str:
    if layer.negative_slope:
        return "leaky_relu"
    return "relu6" if layer.max_value == 6 else "relu"


def saturation_bounds(layer: keras.layers.Layer) -> Bounds | None:
    """Returns the bounds beyond which a layer's outputs are saturated, or None if unknown."""
    if isinstance(layer, keras.layers.ELU) and layer.alpha != 1:
        return None
    activation = _final_activation(layer)
    return activation.saturation if activation is not None else None


def is_rectifier(layer: keras.layers.Layer) -> bool:
    """Whether a layer's units can die: they are zero for half of all inputs."""
    activation = _final_activation(layer)
    return activation is not None and activation.is_rectifier


def _final_activation(layer: keras.layers.Layer) -> Activation | None:
    """Returns the activation that produces a layer's output, or None if unknown."""
    return ACTIVATIONS.get(activation_of(layer) or "") if _ends_in_activation(layer) else None


def _ends_in_activation(layer: keras.layers.Layer) -> bool:
    """Whether a layer's output is known to be that of its activation function."""
    # A third-party layer may have an `activation` and use it anywhere. LSTM and GRU multiply its
    # result by their gates.
    if not type(layer).__module__.startswith("keras."):
        return False
    return not isinstance(layer, keras.layers.RNN) or isinstance(layer, keras.layers.SimpleRNN)


def unit_axis(layer: keras.layers.Layer) -> int:
    """Returns the axis of the units, or channels, in a layer's output."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def children(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the direct inner layers of a layer."""
    # A model's `layers` is public and in the order of its graph. Any other layer keeps its inner
    # layers in `_layers` (Keras 3.15).
    return list(layer.layers if isinstance(layer, keras.Model) else layer._layers)

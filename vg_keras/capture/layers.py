"""What is known of a single Keras layer: what is inside of it, and what its output means.

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
    """Returns the layers right inside of a layer whose calls can be seen.

    A recurrent layer has none: its cell runs inside of a loop, and its own output tells the same.
    """
    return [] if hides_children(layer) else children(layer)


def hides_children(layer: keras.layers.Layer) -> bool:
    """Whether the calls of the layers inside of a layer can't be seen."""
    return isinstance(layer, keras.layers.RNN)


def is_observed(layer: keras.layers.Layer) -> bool:
    """Tells whether a layer's output matters: it has weights of its own, or is an activation."""
    if isinstance(layer, (*_ACTIVATION_LAYERS, keras.layers.RNN)):
        return True
    return bool(own_variables(layer) or layer._non_trainable_variables)


def own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns a layer's own variables that are trainable or were before it was frozen."""
    # `_trainable_variables` (Keras 3.15): without those of the layers inside of it.
    return list(layer._trainable_variables)


def regularized_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns a layer's own variables that have a regularizer, a recurrent one's with its cell."""
    is_recurrent = isinstance(layer, keras.layers.RNN)
    variables = layer.trainable_variables if is_recurrent else own_variables(layer)
    return [variable for variable in variables if variable.regularizer is not None]


def activation_of(layer: keras.layers.Layer) -> str | None:
    """Returns the name of a layer's activation function, or None where it has none."""
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
    """Returns where a layer's outputs are saturated, or None where nothing can be said."""
    if isinstance(layer, keras.layers.ELU) and layer.alpha != 1:
        return None
    activation = _final_activation(layer)
    return activation.saturation if activation is not None else None


def is_rectifier(layer: keras.layers.Layer) -> bool:
    """Tells whether a layer's units can die: whether they are zero for half of all inputs."""
    activation = _final_activation(layer)
    return activation is not None and activation.is_rectifier


def _final_activation(layer: keras.layers.Layer) -> Activation | None:
    """Returns the activation whose output is that of a layer, if it is known."""
    return ACTIVATIONS.get(activation_of(layer) or "") if _ends_in_activation(layer) else None


def _ends_in_activation(layer: keras.layers.Layer) -> bool:
    """Tells whether a layer's output is that of its activation function, as far as is known."""
    # A layer of somebody else's may have an `activation` and use it anywhere. LSTM and GRU
    # multiply what comes out of it by their gates.
    if not type(layer).__module__.startswith("keras."):
        return False
    return not isinstance(layer, keras.layers.RNN) or isinstance(layer, keras.layers.SimpleRNN)


def unit_axis(layer: keras.layers.Layer) -> int:
    """Returns the axis of a layer's output along which its units, or channels, lie."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def children(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layers right inside of a layer."""
    # `layers` of a model is public and in the order of its graph; `_layers` (Keras 3.15) is how any
    # other layer keeps the ones inside of it.
    return list(layer.layers if isinstance(layer, keras.Model) else layer._layers)

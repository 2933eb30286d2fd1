"""Describes a model and its training settings for the log.

The types are in `vg_keras/record.py`; here they are filled in from Keras objects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import keras
import tensorflow as tf

from vg_keras.capture.layers import activation_of, own_variables
from vg_keras.record import (
    LayerDescription,
    ModelDescription,
    OptimizerDescription,
    Settings,
    VariableDescription,
)


def describe(
    model: keras.Model,
    variables: Mapping[str, keras.Variable],
    paths: Mapping[keras.layers.Layer, str],
    shapes: Mapping[str, tuple[int | None, ...]] | None = None,
    called: Sequence[int] = (),
) -> ModelDescription:
    """Returns the description of a model and its monitored layers and variables.

    Args:
        model: A built model.
        variables: The monitored variables by path, as in `ModelMap.variables`.
        paths: The paths of all layers, as in `ModelMap.paths`.
        shapes: The output shapes of the monitored layers by path.
        called: The ids of layers in the order in which they were called. A layer that is not among
            them stays right after the layer that precedes it in `paths`.
    """
    shapes = shapes or {}
    path_of = {id(v): path for path, v in variables.items()}
    layers = []
    for layer, path in _in_order_of_calls(paths, called):
        own = {path_of.pop(id(v)): v for v in own_variables(layer) if id(v) in path_of}
        if own or path in shapes:
            layers.append(_describe_layer(layer, path, own, shapes.get(path)))
    left = {path: variables[path] for path in path_of.values()}
    if left:
        layers.append(_describe_layer(model, paths[model], left, None))
    return ModelDescription(model.name, tuple(layers))


def _in_order_of_calls(
    layers: Mapping[keras.layers.Layer, str], called: Sequence[int]
) -> list[tuple[keras.layers.Layer, str]]:
    place_of = {layer_id: place for place, layer_id in enumerate(called)}
    places, last = [], -1
    for layer in layers:
        last = place_of.get(id(layer), last)
        places.append(last)
    # sorted() is stable, so a layer that was not called stays right after its predecessor.
    return [pair for _, pair in sorted(zip(places, layers.items(), strict=True), key=itemgetter(0))]


def _describe_layer(
    layer: keras.layers.Layer,
    path: str,
    variables: Mapping[str, keras.Variable],
    output_shape: tuple[int | None, ...] | None,
) -> LayerDescription:
    return LayerDescription(
        path=path,
        type=type(layer).__name__,
        activation=activation_of(layer),
        variables=tuple(
            VariableDescription(path, tuple(v.shape), str(v.dtype)) for path, v in variables.items()
        ),
        output_shape=output_shape,
        kernel_initializer=_serialized(getattr(layer, "kernel_initializer", None)),
        bias_initializer=_serialized(getattr(layer, "bias_initializer", None)),
    )


def _serialized(initializer: Any) -> Mapping[str, Any] | None:
    """Returns an initializer as Keras serializes it, or None if it can't be serialized."""
    if initializer is None:
        return None
    try:
        # Through JSON, so that a description read from a log equals the original.
        found: Mapping[str, Any] = json.loads(json.dumps(keras.initializers.serialize(initializer)))
    except Exception:  # noqa: BLE001 - a user's initializer may raise anything
        return None
    return found if isinstance(found, Mapping) else None


def settings_of(
    model: keras.Model,
    optimizers: Sequence[keras.optimizers.Optimizer],
    update_freq: int | str,
    quantities: tuple[str, ...],
) -> Settings:
    """Returns the training settings of a model.

    Args:
        model: The model.
        optimizers: The optimizers that train it.
        update_freq: How often steps are recorded.
        quantities: The names of the recorded quantities.
    """
    return Settings(
        optimizers=tuple(map(_describe_optimizer, optimizers)),
        loss=_name_of_loss(getattr(model, "loss", None)),
        update_freq=update_freq,
        quantities=quantities,
        versions={"keras": keras.__version__, "tensorflow": tf.__version__},
    )


def _describe_optimizer(optimizer: keras.optimizers.Optimizer) -> OptimizerDescription:
    try:
        rate = float(tf.convert_to_tensor(optimizer.learning_rate).numpy())
    except Exception:  # noqa: BLE001 - a user's optimizer may have none, or raise anything
        rate = None
    try:
        # Through JSON, so that a description read from a log equals the original.
        config = json.loads(json.dumps(optimizer.get_config(), default=str))
    except Exception:  # noqa: BLE001 - likewise
        config = {}
    return OptimizerDescription(type(optimizer).__name__, rate, config)


def _name_of_loss(loss: Any) -> str | None:
    """Returns the name of a loss, or the names of several losses."""
    if loss is None or isinstance(loss, str):
        return loss
    if isinstance(loss, Mapping):
        return ", ".join(f"{key}: {_name_of_loss(one)}" for key, one in loss.items())
    if isinstance(loss, (list, tuple)):
        return ", ".join(str(_name_of_loss(one)) for one in loss)
    return str(getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__))

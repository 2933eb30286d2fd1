"""Describes a Keras model: its layers, its trainable variables and how they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import keras
import tensorflow as tf

from vg_keras.record import LayerDescription, ModelDescription, VariableDescription

VariableFilter = str | Sequence[str] | Callable[[keras.Variable], bool] | None


def layers_of(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a model, those in nested models and layers too, outer before inner.

    In the order of the forward pass for Sequential and functional models, in that of construction
    for others.
    """
    seen: set[int] = set()

    def walk(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        yield layer
        # `layers` of a model is public and in the order of its graph; `_layers` (Keras 3.15) is
        # how any other layer keeps the ones inside of it.
        inner = layer.layers if isinstance(layer, keras.Model) else layer._layers
        for child in inner:
            yield from walk(child)

    return walk(model)


def is_built(model: keras.Model) -> bool:
    """Tells whether all variables of a model exist."""
    inner = [layer for layer in layers_of(model) if layer is not model]
    return bool(inner) and all(layer.built for layer in inner)


def named_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns the trainable variables of a model by path, layer by layer.

    The path is Keras's `variable.path`. Where two variables share one, the later gets a suffix:
    `dense/kernel`, `dense/kernel_1`.
    """
    trainable = {id(v): v for v in model.trainable_variables}
    ordered = {}
    for layer in layers_of(model):
        ordered.update({id(v): v for v in _own_variables(layer) if id(v) in trainable})
    ordered.update(trainable)  # whatever hides where no layer shows it comes last
    named: dict[str, keras.Variable] = {}
    for variable in ordered.values():
        path, number = variable.path, 0
        while path in named:
            number += 1
            path = f"{variable.path}_{number}"
        named[path] = variable
    return named


def checked_filter(chosen: VariableFilter) -> VariableFilter:
    """Returns a filter of variables if it is one.

    Raises:
        TypeError: It is not.
    """
    if chosen is None or isinstance(chosen, str) or callable(chosen):
        return chosen
    patterns: list[Any]
    try:
        patterns = list(chosen)
    except TypeError:
        patterns = [chosen]
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(
            "`variables` must be a pattern of paths such as '*/kernel', a list of patterns, a "
            f"function from a variable to bool, or None. Received: variables={chosen!r}."
        )
    return patterns


def select(
    variables: Mapping[str, keras.Variable], chosen: VariableFilter
) -> dict[str, keras.Variable]:
    """Returns the variables that a filter lets through.

    Args:
        variables: Variables by path.
        chosen: A pattern of paths as in a shell (`"*/kernel"`), several of them, a function from a
            Keras variable to bool, or None for all variables.

    Raises:
        ValueError: The filter lets none through.
    """
    if chosen is None:
        return dict(variables)
    if callable(chosen):
        selected = {path: v for path, v in variables.items() if chosen(v)}
    else:
        patterns = [chosen] if isinstance(chosen, str) else list(chosen)
        selected = {
            path: v for path, v in variables.items() if any(fnmatchcase(path, p) for p in patterns)
        }
    if variables and not selected:
        raise ValueError(
            "`variables` must let through at least one trainable variable of the model. "
            f"Received: variables={chosen!r}, which matches none of {', '.join(variables)}."
        )
    return selected


def describe(model: keras.Model, variables: Mapping[str, keras.Variable]) -> ModelDescription:
    """Describes a model and the variables of it that are monitored.

    Args:
        model: A built model.
        variables: The monitored variables by path, as `named_variables` names them.
    """
    path_of = {id(v): path for path, v in variables.items()}
    layers = []
    for layer in layers_of(model):
        own = [v for v in _own_variables(layer) if id(v) in path_of]
        if own:
            layers.append(_describe_layer(layer, {path_of.pop(id(v)): v for v in own}))
    left = {path: variables[path] for path in path_of.values()}
    if left:
        layers.append(_describe_layer(model, left))
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__}
    return ModelDescription(model.name, tuple(layers), versions)


def _own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    # `_trainable_variables` (Keras 3.15): a layer's own, without those of the layers inside of it.
    return list(layer._trainable_variables)


def _describe_layer(
    layer: keras.layers.Layer, variables: Mapping[str, keras.Variable]
) -> LayerDescription:
    activation = getattr(layer, "activation", None)
    return LayerDescription(
        path=layer.path or layer.name,
        type=type(layer).__name__,
        activation=getattr(activation, "__name__", None),
        variables=tuple(
            VariableDescription(path, tuple(v.shape), str(v.dtype)) for path, v in variables.items()
        ),
    )

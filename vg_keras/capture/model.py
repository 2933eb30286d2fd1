"""Describes a Keras model: its layers, its trainable variables and how they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

import keras
import tensorflow as tf

from vg_keras.capture.layers import activation_of, layers_of, own_variables
from vg_keras.record import LayerDescription, ModelDescription, VariableDescription

T = TypeVar("T")

Filter: TypeAlias = str | Sequence[str] | Callable[[Any], bool] | None
"""Chooses by path: a pattern as in a shell (`"*/kernel"`), several of them, a function from the
Keras object to bool, or None for all."""


class FilterError(ValueError):
    """A filter of the user's lets nothing through."""


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
        ordered.update({id(v): v for v in own_variables(layer) if id(v) in trainable})
    ordered.update(trainable)  # whatever hides where no layer shows it comes last
    taken: set[str] = set()
    return {_unique(variable.path, taken): variable for variable in ordered.values()}


def named_layers(model: keras.Model) -> dict[keras.layers.Layer, str]:
    """Returns the path of each layer of a model, by the layer.

    The path is Keras's `layer.path`, which a layer has once it is built, or what it is going to be.
    Where an earlier layer has the same it gets a suffix.
    """
    taken: set[str] = set()
    paths: dict[keras.layers.Layer, str] = {}
    for layer, around in layers_of(model).items():
        prefix = "" if around is None else f"{paths[around]}/"
        if around is model and isinstance(model, keras.Function):
            prefix = ""  # Keras leaves the name of a functional model out of its layers' paths
        paths[layer] = layer.path or prefix + layer.name
    return {layer: _unique(path, taken) for layer, path in paths.items()}


def _unique(path: str, taken: set[str]) -> str:
    unique, number = path, 0
    while unique in taken:
        number += 1
        unique = f"{path}_{number}"
    taken.add(unique)
    return unique


def checked_filter(chosen: Filter, argument: str, what: str) -> Filter:
    """Returns a filter if it is one.

    Args:
        chosen: The filter.
        argument: The name of the argument that it is given by.
        what: What it chooses, such as "variable".

    Raises:
        TypeError: It is none.
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
            f"`{argument}` must be a pattern of paths such as '*/kernel', a list of patterns, a "
            f"function from a {what} to bool, or None. Received: {argument}={chosen!r}."
        )
    return patterns


def select(candidates: Mapping[str, Any], chosen: Filter, argument: str, what: str) -> set[str]:
    """Returns the paths that a filter lets through.

    Args:
        candidates: Variables or layers by path.
        chosen: The filter.
        argument: The name of the argument that it is given by.
        what: What it chooses, such as "trainable variable".

    Raises:
        FilterError: The filter lets none through.
    """
    if chosen is None:
        return set(candidates)
    if callable(chosen):
        selected = {path for path, candidate in candidates.items() if chosen(candidate)}
    else:
        selected = matching(candidates, [chosen] if isinstance(chosen, str) else chosen)
    if candidates and not selected:
        raise FilterError(
            f"`{argument}` must let through at least one {what} of the model. "
            f"Received: {argument}={chosen!r}, which matches none of {', '.join(candidates)}."
        )
    return selected


def matching(paths: Iterable[str], patterns: Sequence[str]) -> set[str]:
    """Returns the paths that match any pattern."""
    return {path for path in paths if any(fnmatchcase(path, pattern) for pattern in patterns)}


def without(candidates: Mapping[str, T], patterns: Sequence[str]) -> dict[str, T]:
    """Returns the candidates whose paths match no pattern."""
    excluded = matching(candidates, patterns)
    return {path: value for path, value in candidates.items() if path not in excluded}


def describe(
    model: keras.Model,
    variables: Mapping[str, keras.Variable],
    paths: Mapping[keras.layers.Layer, str],
    shapes: Mapping[str, tuple[int | None, ...]] | None = None,
    called: Sequence[int] = (),
) -> ModelDescription:
    """Describes a model and what of it is monitored.

    Args:
        model: A built model.
        variables: The monitored variables by path, as `named_variables` names them.
        paths: The paths of all layers, as `named_layers` names them.
        shapes: The shapes of the outputs of the monitored layers by path.
        called: The ids of layers, in the order in which they were called. A layer that is not among
            them keeps its place behind the one before it.
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
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__}
    return ModelDescription(model.name, tuple(layers), versions)


def _in_order_of_calls(
    layers: Mapping[keras.layers.Layer, str], called: Sequence[int]
) -> list[tuple[keras.layers.Layer, str]]:
    place_of = {layer_id: place for place, layer_id in enumerate(called)}
    places, last = [], -1
    for layer in layers:
        last = place_of.get(id(layer), last)
        places.append(last)
    # sorted() keeps the order of equals, so that what was not called follows what it stood behind.
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
    )

"""Maps the layers and trainable variables of a model to unique paths, in one walk over the model.

`layers.py` knows the single layer, `plan.py` chooses what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras

from vg_keras.capture.layers import children, hides_children, is_observed, own_variables


@dataclass(frozen=True)
class Place:
    """The place of a layer in a model.

    Args:
        layer: The layer.
        around: The enclosing layer, or None for the model itself.
        trained_with: Its trainable variables, including those of inner layers. If it has none, the
            `trained_with` of the enclosing layer.
        is_visible: Whether its calls can be observed, which is not so inside a recurrent layer.
    """

    layer: keras.layers.Layer
    around: keras.layers.Layer | None
    trained_with: list[keras.Variable]
    is_visible: bool


class ModelMap:
    """The layers and trainable variables of a model, with unique paths.

    Layers are in the order of the forward pass for Sequential and functional models, and in the
    order of construction for others, each before its inner layers.

    Args:
        model: The model, built or not.

    Attributes:
        places: The place of each layer, by layer.
        paths: The path of each layer: Keras's `layer.path`, or before the layer is built what that
            will be, with a suffix if an earlier layer has the same path.
        variables: The trainable variables by path, layer by layer. The path is Keras's
            `variable.path`, with a suffix if an earlier variable has the same: `dense/kernel`,
            `dense/kernel_1`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self.places = {place.layer: place for place in _walk(model, None, [], True, {})}
        self.paths = self._named_layers()
        self.variables = self._named_variables()

    @property
    def observed(self) -> dict[keras.layers.Layer, list[keras.Variable]]:
        """The layers whose outputs are of interest, each with its `trained_with` variables."""
        return {
            layer: place.trained_with
            for layer, place in self.places.items()
            if place.is_visible and is_observed(layer)
        }

    def _named_layers(self) -> dict[keras.layers.Layer, str]:
        plain: dict[keras.layers.Layer, str] = {}
        for layer, place in self.places.items():
            prefix = "" if place.around is None else f"{plain[place.around]}/"
            if place.around is self._model and isinstance(self._model, keras.Function):
                prefix = ""  # Keras omits the name of a functional model from its layers' paths
            plain[layer] = layer.path or prefix + layer.name
        taken: set[str] = set()
        return {layer: _unique(path, taken) for layer, path in plain.items()}

    def _named_variables(self) -> dict[str, keras.Variable]:
        trainable = {id(v): v for v in self._model.trainable_variables}
        ordered = {
            id(v): v for layer in self.places for v in own_variables(layer) if id(v) in trainable
        }
        ordered |= trainable  # those that belong to no layer come last
        taken: set[str] = set()
        return {_unique(variable.path, taken): variable for variable in ordered.values()}


def _walk(
    layer: keras.layers.Layer,
    around: keras.layers.Layer | None,
    trained_around: list[keras.Variable],
    is_visible: bool,
    seen: dict[keras.layers.Layer, bool],
) -> Iterator[Place]:
    """Yields each layer once, and again if its first place was not visible but a later one is."""
    if seen.get(layer, -1) >= is_visible:
        return
    seen[layer] = is_visible
    place = Place(layer, around, layer.trainable_variables or trained_around, is_visible)
    yield place
    for child in children(layer):
        is_child_visible = is_visible and not hides_children(layer)
        yield from _walk(child, layer, place.trained_with, is_child_visible, seen)


def is_built(model: keras.Model) -> bool:
    """Whether all variables of a model exist."""
    inner = [place.layer for place in _walk(model, None, [], True, {})][1:]
    return bool(inner) and all(layer.built for layer in inner)


def _unique(path: str, taken: set[str]) -> str:
    unique, number = path, 0
    while unique in taken:
        number += 1
        unique = f"{path}_{number}"
    taken.add(unique)
    return unique

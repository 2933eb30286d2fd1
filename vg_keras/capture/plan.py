"""Plans what is measured of a model: variables, layers, and their rows in the buffer.

A plan is made once all variables of the model exist, and is valid until the next `compile`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from vg_keras.activations import Bounds
from vg_keras.capture.layers import is_rectifier, saturation_bounds, unit_axis
from vg_keras.capture.model_map import ModelMap
from vg_keras.filters import Filter, FilterError, matching, select, without
from vg_keras.quantities import QUANTITIES, SKETCHES, Quantity

GRADIENT = "gradients"
DATA_LOSS_GRADIENT = "data_loss_gradients"
REGULARIZATION_GRADIENT = "regularization_gradients"
WEIGHT = "weights"
FIRST_MOMENT = "first_moments"
SECOND_MOMENT = "second_moments"
ACTIVATION = "activations"
ACTIVATION_GRADIENT = "activation_gradients"

Key = tuple[str, str]
"""A kind (one of the above), and the path of a variable or layer."""


@dataclass(frozen=True)
class Choice:
    """The user's choice of what to measure.

    Args:
        variables: A filter of trainable variables; see `vg_keras/filters.py`.
        activations: The layers whose output and backpropagated gradient are measured: True for all,
            False for none, or a filter of layers.
        updates: Whether to measure the norms of the updates.
        weights: Whether to sketch the variables themselves.
        optimizer_state: Whether to sketch the optimizer's momentum and velocity of each variable.
        exclude: Path patterns of variables and layers that are not measured.
    """

    variables: Filter = None
    activations: bool | Filter = True
    updates: bool = True
    weights: bool = False
    optimizer_state: bool = False
    exclude: Sequence[str] = ()

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of the quantities that are recorded if the model has them."""
        return tuple(q.name for q in QUANTITIES if self.selects(q))

    def selects(self, quantity: Quantity) -> bool:
        """Whether a quantity is recorded."""
        return quantity.choice is None or getattr(self, quantity.choice) is not False


@dataclass(frozen=True)
class ObservedLayer:
    """A layer whose output is measured.

    Args:
        layer: The layer.
        trained_with: The ids of its `Place.trained_with` variables.
        is_rectifier: Whether its units can die.
        bounds: The bounds beyond which its outputs are saturated, or None if unknown.
        unit_axis: The axis of the units in its output.
    """

    layer: keras.layers.Layer
    trained_with: frozenset[int]
    is_rectifier: bool
    bounds: Bounds | None
    unit_axis: int


class Plan:
    """The plan of what is measured of a model.

    Args:
        model: A built model.
        choice: The user's choice.

    Attributes:
        paths: The paths of all layers.
        variables: The measured variables, by path.
        path_of: Their paths, by the id of the variable.
        sizes: Their numbers of elements, by path; a complex element counts as two.
        layers: The measured layers, by path.
        row_of: The row in the buffer, by kind and path.
        mask_of: The number of each rectifying layer, by path.

    Raises:
        ValueError: If a filter matches nothing.
    """

    def __init__(self, model: keras.Model, choice: Choice) -> None:
        self.choice = choice
        model_map = ModelMap(model)
        self.paths = model_map.paths
        named = self._without_excluded(model_map.variables)
        chosen = select(named, choice.variables, "variables", "trainable variable")
        self.variables = {path: v for path, v in named.items() if path in chosen}
        # A custom train step may pass the tf.Variable that a Keras variable wraps.
        self.path_of = {id(v): path for path, v in self.variables.items()}
        self.path_of |= {id(v.value): path for path, v in self.variables.items()}
        self.sizes = {path: _num_reals(v) for path, v in self.variables.items()}
        self.layers = self._chosen_layers(model_map)
        rectifiers = [path for path, observed in self.layers.items() if observed.is_rectifier]
        self.mask_of = {path: number for number, path in enumerate(rectifiers)}
        self.row_of = {key: row for row, key in enumerate(self._keys())}

    def _without_excluded(self, named: Mapping[str, keras.Variable]) -> dict[str, keras.Variable]:
        exclude = self.choice.exclude
        for pattern in exclude:
            if not matching([*named, *self.paths.values()], [pattern]):
                raise FilterError(
                    "`exclude` must be patterns that match a variable or a layer of the model. "
                    f"Received: {pattern!r}, which matches none of {', '.join(named)}."
                )
        return without(named, exclude)

    def _chosen_layers(self, model_map: ModelMap) -> dict[str, ObservedLayer]:
        activations = self.choice.activations
        if activations is False:
            return {}
        trained_with = model_map.observed
        named = {self.paths[layer]: layer for layer in trained_with}
        named = without(named, self.choice.exclude)
        wanted = None if activations is True else activations
        chosen = select(named, wanted, "activations", "layer")
        return {
            path: ObservedLayer(
                layer,
                frozenset(f(v) for v in trained_with[layer] for f in (id, lambda v: id(v.value))),
                is_rectifier(layer),
                saturation_bounds(layer),
                unit_axis(layer),
            )
            for path, layer in named.items()
            if path in chosen
        }

    def _keys(self) -> list[Key]:
        selected = [quantity for quantity in SKETCHES if self.choice.selects(quantity)]
        return [(quantity.name, path) for quantity in selected for path in self._paths(quantity)]

    def _paths(self, quantity: Quantity) -> list[str]:
        """Returns the paths of the variables or layers that have a quantity."""
        if quantity.of == "layers":
            return list(self.layers)
        return [
            path
            for path, variable in self.variables.items()
            if variable.regularizer is not None or not quantity.only_regularized
        ]


def _num_reals(variable: keras.Variable) -> int:
    parts = 2 if str(variable.dtype).startswith("complex") else 1
    return parts * int(np.prod(variable.shape, dtype=np.int64))

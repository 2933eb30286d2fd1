"""One row of numbers for each layer, at one step: for notebooks, reports and terminals.

Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from vg_keras.record import LayerDescription, ModelDescription, Record


@dataclass(frozen=True)
class LayerRow:
    """The numbers of one layer at one step: NaN if not recorded, infinite if not finite.

    Args:
        path: The path of the layer.
        type: Its class name.
        activation_gradient_norm: The L2 norm of the gradient at its output.
        gradient_norm: The L2 norm of the gradient of its kernel, or of its first variable if it has
            no kernel.
        update_ratio: How far the update moved that variable, relative to its size.
        activation_rms: The root mean square of its output.
        saturated_units: The fraction of saturated units.
        dead_units: The fraction of dead units.
    """

    path: str
    type: str
    activation_gradient_norm: float
    gradient_norm: float
    update_ratio: float
    activation_rms: float
    saturated_units: float
    dead_units: float


def layer_table(model: ModelDescription, record: Record) -> list[LayerRow]:
    """Returns a row for each layer of a model, from the input to the output."""
    kernels = frozenset(model.kernels)
    return [_row(layer, record, kernels) for layer in model.layers]


def _row(layer: LayerDescription, record: Record, kernels: Collection[str]) -> LayerRow:
    path, variables = layer.path, [variable.path for variable in layer.variables]
    main = next((path for path in variables if path in kernels), (*variables, "")[0])
    signal, gradient = record.activation_gradients.get(path), record.gradients.get(main)
    output = record.activations.get(path)
    ratio = record.update_ratio(main) if record.has_update_ratio(main) else None
    return LayerRow(
        path,
        layer.type,
        _number(signal.norm if signal else None),
        _number(gradient.norm if gradient else None),
        _number(ratio),
        _number(output.rms if output and output.count else None),
        _number(record.saturated_units.get(path)),
        _number(record.dead_units.get(path)),
    )


def _number(recorded: float | None) -> float:
    if recorded is None:
        return math.nan
    return recorded if math.isfinite(recorded) else math.inf

"""One row of numbers for each layer, at one step: for notebooks, reports and terminals.

Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vg_keras.record import LayerDescription, ModelDescription, Record


@dataclass(frozen=True)
class LayerRow:
    """The numbers of one layer at one step: NaN if not recorded, infinite if not finite.

    Args:
        path: The path of the layer.
        type: Its class name.
        gradient_norm: The L2 norm of the gradient at its output.
        update_ratio: How far the update moved its first variable, the kernel if it has one,
            relative to its size.
        activation_rms: The root mean square of its output.
        saturated_units: The fraction of saturated units.
        dead_units: The fraction of dead units.
    """

    path: str
    type: str
    gradient_norm: float
    update_ratio: float
    activation_rms: float
    saturated_units: float
    dead_units: float


def layer_table(model: ModelDescription, record: Record) -> list[LayerRow]:
    """Returns a row for each layer of a model, from the input to the output."""
    return [_row(layer, record) for layer in model.layers]


def _row(layer: LayerDescription, record: Record) -> LayerRow:
    path = layer.path
    gradient, output = record.activation_gradients.get(path), record.activations.get(path)
    first = layer.variables[0].path if layer.variables else ""
    ratio = record.update_ratio(first) if record.has_update_ratio(first) else None
    return LayerRow(
        path,
        layer.type,
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

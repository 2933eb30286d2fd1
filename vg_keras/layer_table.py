"""One row of numbers for each layer, at one step: for notebooks, reports and terminals.

Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vg_keras.record import LayerDescription, ModelDescription, Record


@dataclass(frozen=True)
class LayerRow:
    """The numbers of one layer at one step. A number that was not recorded is NaN.

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
    path, nan = layer.path, math.nan
    gradient, output = record.activation_gradients.get(path), record.activations.get(path)
    first = layer.variables[0].path if layer.variables else None
    return LayerRow(
        path,
        layer.type,
        nan if gradient is None else gradient.norm,
        record.update_ratio(first) if first and first in record.update_norms else nan,
        nan if output is None else output.rms,
        record.saturated_units.get(path, nan),
        record.dead_units.get(path, nan),
    )

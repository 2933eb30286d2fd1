"""What the page draws: one quantity of several training runs, layer by layer and step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vg_keras.layer_matching import matched_layers
from vg_keras.layer_quantities import LayerQuantity
from vg_keras.log.chart_names import chart_names
from vg_keras.number_table import Columns
from vg_keras.plugin.open_logs import OpenLog
from vg_keras.record import ModelDescription, Training
from vg_keras.rules.predicted_signal import PredictedSignal
from vg_keras.rules.rule import hidden_layers

NON_FINITE = "nonfinite"
"""Stands for a value that is not finite, in JSON."""


@dataclass(frozen=True)
class Chosen:
    """A training run that the page asks for.

    Args:
        key: Its key in requests.
        log: The log that it is in.
        training: The training run, without records.
    """

    key: str
    log: OpenLog
    training: Training

    @property
    def tag(self) -> str:
        """A text that changes when more has been read."""
        verdict = self.training.verdict
        of_verdict = (len(verdict.diagnoses), verdict.num_records) if verdict else (0, 0)
        num_records = self.log.table(self.training).num_records
        return ".".join(map(str, (num_records, *of_verdict, int(self.log.is_complete))))

    def columns(self, quantity: LayerQuantity, window: Window) -> Columns:
        """Returns the values of a quantity in a part of the training run."""
        return self.log.columns(
            self.training, quantity.name, window.first, window.stop, window.columns
        )


@dataclass(frozen=True)
class Window:
    """The part of a training run that is shown.

    Args:
        first: The first step.
        stop: The step to stop before, or None for no end.
        columns: Maximum number of columns.
    """

    first: int
    stop: int | None
    columns: int


def flow(chosen: Sequence[Chosen], quantity: LayerQuantity, window: Window) -> dict[str, Any]:
    """Returns one quantity of several training runs; `http_api.md` describes the content."""
    columns = [one.columns(quantity, window) for one in chosen]
    names = [_names(one.training, quantity) for one in chosen]
    depths, is_by_name = matched_layers(names)
    parts = zip(chosen, columns, names, depths, is_by_name, strict=True)
    return {
        "quantity": quantity.as_dict(),
        "range": list(quantity.axis(*(of.values for of in columns))),
        "num_depths": max((of[-1] + 1 for of in depths if of), default=0),
        "runs": [
            {
                **_state(one),
                "is_matched_by_name": by_name,
                "layers": _layers(one.training, quantity, of_names, of_depths),
                "steps": of.steps.tolist(),
                "last_steps": of.last_steps.tolist(),
                "values": [_plain(row) for row in of.values.T],
                "prediction": _prediction(one.training, quantity, of),
                "verdict": _verdict(one.training, quantity),
            }
            for one, of, of_names, of_depths, by_name in parts
        ],
    }


def _state(one: Chosen) -> dict[str, Any]:
    table = one.log.table(one.training)
    return {
        "key": one.key,
        "is_complete": one.log.is_complete,
        "fraction_read": round(one.log.fraction_read, 4),
        "damage": list(one.log.damage),
        "num_records": table.num_records,
        "quantities": table.quantities,
    }


def _names(training: Training, quantity: LayerQuantity) -> list[str]:
    names = chart_names(training.model)
    return [names[path] for path in quantity.paths(training.model)]


def _layers(
    training: Training, quantity: LayerQuantity, names: Sequence[str], depths: Sequence[int]
) -> list[dict[str, Any]]:
    paths = quantity.paths(training.model)
    return [
        {"path": path, "name": name, "depth": depth}
        for path, name, depth in zip(paths, names, depths, strict=True)
    ]


def _plain(row: NDArray[np.float64]) -> list[float | str | None]:
    """Returns the values of a layer to six digits, for JSON."""
    return [
        None if math.isnan(value) else NON_FINITE if math.isinf(value) else float(f"{value:.6g}")
        for value in row.tolist()
    ]


def _prediction(
    training: Training, quantity: LayerQuantity, columns: Columns
) -> dict[str, Any] | None:
    """Returns what theory predicts for the signal before the first step, or None.

    The prediction is a factor per layer of the L2 norm. It begins at the measured value of the last
    hidden layer.
    """
    model = training.model
    if quantity.name != "activation_gradients" or not len(columns.steps):
        return None
    rows = [model.outputs.index(path) for path in hidden_layers(model)]
    signal = PredictedSignal.of(model, hidden_layers(model)) if len(rows) > 1 else None
    widths = _widths(model)
    last = columns.values[0, rows[-1]] if rows else 0.0
    if signal is None or not 0 < last < math.inf or not all(widths[row] for row in rows):
        return None
    sizes = np.sqrt([widths[row] for row in rows])
    factors = signal.factor_per_layer ** np.arange(len(rows) - 1, -1, -1.0)
    return {
        "rows": rows,
        "values": _plain(last * factors * sizes[-1] / sizes),
        "text": (
            f"theory before step 0: a factor of {signal.factor_per_layer:.2g} per layer for "
            f"{signal.activation} with {signal.initializer}"
        ),
    }


def _widths(model: ModelDescription) -> list[int]:
    """Returns the number of units of each output; 0 if it varies."""
    shapes = [layer.output_shape[1:] for layer in model.layers if layer.output_shape is not None]
    return [math.prod(size or 0 for size in shape) for shape in shapes]


def _verdict(training: Training, quantity: LayerQuantity) -> dict[str, Any] | None:
    """Returns the verdict in the log, with the rows that each diagnosis concerns, or None."""
    if training.verdict is None:
        return None
    layer_of = training.model.layer_of
    paths = quantity.paths(training.model)
    found = training.verdict.as_dict()
    for diagnosis in found["diagnoses"]:
        concerned = training.model.layers_of(diagnosis["paths"])
        diagnosis["rows"] = [
            number for number, path in enumerate(paths) if layer_of[path] in concerned
        ]
        diagnosis["is_over"] = diagnosis["last_step"] < (found["last_step"] or 0)
    return {"title": training.verdict.title, **found}

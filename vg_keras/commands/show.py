"""`vg-keras show`: one quantity of every layer at one step, as bars in a terminal."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vg_keras.commands.output import (
    add_command,
    add_format,
    add_log_dir,
    add_quantity_and_step,
    finite,
    in_words,
    printable,
)
from vg_keras.layer_quantities import LAYER_QUANTITIES, LayerQuantity
from vg_keras.log.chart_names import chart_names
from vg_keras.log.numbers import parse_numbers
from vg_keras.log.reader import logs_in, stored_at
from vg_keras.record import Training

SCHEMA = 1
"""Version of the JSON that `--format json` prints."""

_HEALTHY, _SICK = "blue", "red"


@dataclass(frozen=True)
class Shown:
    """The values of one training run at one step.

    Args:
        log: The path of the log.
        training: The training run, without records.
        step: The step.
        values: float64 `[p]`, by layer or variable. NaN where nothing was recorded, infinite where
            a value is not finite.
    """

    log: str
    training: Training
    step: int
    values: NDArray[np.float64]


def add(commands: Any) -> None:
    """Adds the command to a parser."""
    parser = add_command(
        commands,
        "show",
        "draw the gradients of all layers in the terminal",
        "Draws one quantity of every layer, from the input down, at one step of each training run "
        "in a log. All runs have the same axis.",
    )
    add_log_dir(parser)
    add_quantity_and_step(parser, "draw")
    add_format(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the values and returns the exit status.

    Raises:
        ValueError: If there is no record at or before the step, or none has the quantity.
    """
    quantity = LAYER_QUANTITIES[arguments.quantity]
    found = [one for log in logs_in(arguments.log_dir) for one in _read(log, quantity, arguments)]
    if not found:
        step = "" if arguments.step is None else f" at step {arguments.step} or before"
        raise ValueError(f"No record in {arguments.log_dir}{step} has {quantity.label}.")
    if arguments.format == "json":
        print(json.dumps(_as_dict(found, quantity), indent=2, allow_nan=False))
    else:
        _draw(found, quantity)
    return 0


def _read(log: str, quantity: LayerQuantity, arguments: argparse.Namespace) -> list[Shown]:
    found = []
    for stored in stored_at(log, arguments.step):
        numbers = stored.parsed(parse_numbers)
        values = None if numbers is None else quantity.read(numbers)
        if values is not None:
            shown = values[quantity.indices(stored.training.model)]
            found.append(Shown(log, stored.training, stored.step, shown))
    return found


def _as_dict(found: Sequence[Shown], quantity: LayerQuantity) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "quantity": quantity.name,
        "unit": quantity.unit,
        "trainings": [
            {
                "log": one.log,
                "training": one.training.id,
                "model": one.training.model.name,
                "step": one.step,
                "layers": [
                    {"path": path, "value": finite(value), "state": _state(value)}
                    for path, value in zip(
                        quantity.paths(one.training.model), one.values.tolist(), strict=True
                    )
                ],
            }
            for one in found
        ],
    }


def _state(value: float) -> str:
    return "finite" if math.isfinite(value) else in_words(value)


def _draw(found: Sequence[Shown], quantity: LayerQuantity) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, markup=False)
    axis = quantity.axis(*(one.values for one in found))
    for number, one in enumerate(found):
        if number:
            console.print()
        console.print(f"{printable(one.log)}, {one.training.id}, step {one.step:,}")
        console.print(quantity.title)
        console.print(_table(one, quantity, axis))


def _table(one: Shown, quantity: LayerQuantity, axis: tuple[float, float]) -> Any:
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    low, high = axis
    ends = Table.grid(expand=True)
    ends.add_column(justify="left")
    ends.add_column(justify="right")
    ends.add_row(*(_label(end, quantity) for end in axis))
    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("layer", no_wrap=True, max_width=32)
    table.add_column(ends, ratio=1)
    table.add_column("", justify="right", no_wrap=True)
    names, sick = chart_names(one.training.model), _sick_layers(one.training)
    layer_of = one.training.model.layer_of
    for path, value in zip(quantity.paths(one.training.model), one.values.tolist(), strict=True):
        color = _SICK if layer_of[path] in sick or math.isinf(value) else _HEALTHY
        end = quantity.position(value) if 0 < value < math.inf else low
        bar = Bar(high - low, 0, min(max(end - low, 0), high - low), color=color)
        table.add_row(
            Text(printable(names[path]), style=color if layer_of[path] in sick else ""),
            bar,
            "exactly 0" if value == 0 else in_words(value),
        )
    return table


def _label(end: float, quantity: LayerQuantity) -> str:
    """Returns the value at an end of the axis."""
    if quantity.scale == "log":
        return f"1e{end:g}" if end else "1"
    return f"{end:g}"


def _sick_layers(training: Training) -> frozenset[str]:
    """Returns the layers of all diagnoses in the log."""
    return training.model.layers_of(training.verdict.paths if training.verdict else ())

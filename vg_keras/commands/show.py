"""`vg-keras show`: one quantity of every layer at one step, as bars in a terminal."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vg_keras.commands.output import (
    add_command,
    add_format,
    add_log_dir,
    add_quantity_and_step,
    finite,
    in_words,
    printable,
    wide_console,
)
from vg_keras.layer_quantities import DEFAULT, LAYER_QUANTITIES, LayerQuantity, first_common
from vg_keras.log.chart_names import chart_names
from vg_keras.log.numbers import Numbers, parse_numbers
from vg_keras.log.reader import follow, logs_in, no_such_training, stored_at
from vg_keras.logged_runs import notes_on, split
from vg_keras.record import Training

SCHEMA = 1
"""Version of the JSON that `--format json` prints."""

_HEALTHY, _SICK = "blue", "red"


@dataclass(frozen=True, eq=False)
class Shown:
    """One record of a training run.

    Args:
        log: The path of the log.
        training: The training run, without records.
        numbers: The numbers of the record.
        notes: Sentences on what the log lacks.
    """

    log: str
    training: Training
    numbers: Numbers
    notes: tuple[str, ...]

    @property
    def recorded(self) -> list[str]:
        """The names of the quantities in the record."""
        found = LAYER_QUANTITIES.items()
        return [name for name, quantity in found if quantity.read(self.numbers) is not None]

    def values(self, quantity: LayerQuantity) -> dict[str, float]:
        """Returns the values of a recorded quantity by path.

        NaN where nothing was recorded, infinite where a value is not finite.
        """
        model, values = self.training.model, quantity.read(self.numbers)
        assert values is not None
        shown = values[quantity.indices(model)].tolist()
        return dict(zip(quantity.paths(model), shown, strict=True))


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
        FileNotFoundError: If there is no log.
        ValueError: If there is no such training run, no record at or before the step, or none of
            the quantity.
    """
    found = _read(arguments.log_dir, arguments.step)
    quantity = _chosen(arguments, found)
    if arguments.format == "json":
        print(json.dumps(_as_dict(found, quantity), indent=2, allow_nan=False))
    else:
        _draw(found, quantity)
    return 0


def _read(path: str, step: int | None) -> list[Shown]:
    log, training_id = split(path)
    if training_id is None:
        return [one for log in logs_in(log) for one in _read_log(log, step)]
    return _read_log(log, step, training_id)


def _read_log(log: str, step: int | None, training_id: str | None = None) -> list[Shown]:
    follower = follow(log)
    found = [
        (stored.training, stored.parsed(parse_numbers)) for stored in stored_at(follower, step)
    ]
    ids = [training.id for training in follower.trainings]
    if training_id not in (None, *ids):
        raise no_such_training(log, str(training_id), ids)
    return [
        Shown(log, training, numbers, notes_on(training, follower.damage))
        for training, numbers in found
        if numbers is not None and training_id in (None, training.id)
    ]


def _chosen(arguments: argparse.Namespace, found: Sequence[Shown]) -> LayerQuantity:
    """Returns the quantity that was chosen, or the usual one."""
    recorded = [one.recorded for one in found]
    names = [name for name in LAYER_QUANTITIES if any(name in of for of in recorded)]
    usual = first_common(recorded) or first_common([names]) or DEFAULT
    chosen = LAYER_QUANTITIES[arguments.quantity or usual]
    if chosen.name not in names:
        step = "" if arguments.step is None else f" at step {arguments.step} or before"
        known = f"Recorded: {', '.join(names) or 'none'}."
        raise ValueError(f"No record in {arguments.log_dir}{step} has {chosen.label}. {known}")
    return chosen


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
                "step": one.numbers.step,
                "layers": [
                    {"path": path, "value": finite(value), "state": _state(value)}
                    for path, value in one.values(quantity).items()
                ],
                "notes": list(one.notes),
            }
            for one in found
            if quantity.name in one.recorded
        ],
    }


def _state(value: float) -> str:
    return "finite" if math.isfinite(value) else in_words(value)


def _draw(found: Sequence[Shown], quantity: LayerQuantity) -> None:
    values = {one: one.values(quantity) for one in found if quantity.name in one.recorded}
    axis = quantity.axis(*(np.array(list(of_run.values())) for of_run in values.values()))
    tables = {one: _table(one, of_run, quantity, axis) for one, of_run in values.items()}
    for number, one in enumerate(found):
        heading = f"{printable(one.log)}, {one.training.id}, step {one.numbers.step:,}"
        print(f"\n{heading}" if number else heading)
        for note in one.notes:
            print(printable(note))
        if one in tables:
            print(quantity.title)
            wide_console(tables[one]).print(tables[one])
        else:
            print(f"No record of {quantity.label}.")


def _table(
    one: Shown,
    values: Mapping[str, float],
    quantity: LayerQuantity,
    axis: tuple[float, float],
) -> Any:
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
    table.add_column(ends, ratio=1, min_width=12)
    table.add_column("", justify="right", no_wrap=True)
    names, sick = chart_names(one.training.model), _sick_layers(one.training)
    layer_of = one.training.model.layer_of
    for path, value in values.items():
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

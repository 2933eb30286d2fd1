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
    note_skipped,
    print_notes,
    progress,
    state,
    wide_console,
)
from vg_keras.layer_quantities import DEFAULT, LAYER_QUANTITIES, LayerQuantity, first_common
from vg_keras.log.chart_names import chart_names
from vg_keras.log.reader import OnProgress, logs_in, read_each
from vg_keras.logged_records import LoggedRecord, read_records
from vg_keras.logged_runs import split
from vg_keras.printable import printable

SCHEMA = 1
"""Version of the JSON that `--format json` prints."""

_HEALTHY, _SICK = "blue", "red"

_MAX_WIDTH = 32
"""Of the names of layers, in characters."""


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
    with progress() as on_progress:
        found = _read(arguments.log_dir, arguments.step, on_progress)
    quantity = _chosen(arguments, found)
    if arguments.format == "json":
        print(json.dumps(_as_dict(found, quantity), indent=2, allow_nan=False))
    else:
        _draw(found, quantity)
    return 0


def _read(path: str, step: int | None, on_progress: OnProgress) -> list[LoggedRecord]:
    log, training_id = split(path)
    logs = logs_in(log) if training_id is None else [log]
    return read_each(
        logs, lambda log: read_records(log, step, training_id, on_progress), note_skipped
    )


def _chosen(arguments: argparse.Namespace, found: Sequence[LoggedRecord]) -> LayerQuantity:
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


def _as_dict(found: Sequence[LoggedRecord], quantity: LayerQuantity) -> dict[str, Any]:
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
                    {"path": path, "value": finite(value), "state": state(value)}
                    for path, value in one.values(quantity).items()
                ],
                "notes": list(one.notes),
            }
            for one in found
            if quantity.name in one.recorded
        ],
    }


@dataclass(frozen=True)
class _Row:
    """A layer in a table: its name, whether a diagnosis concerns it, and its value."""

    name: str
    is_sick: bool
    value: float

    @property
    def words(self) -> str:
        return "exactly 0" if self.value == 0 else in_words(self.value)


def _draw(found: Sequence[LoggedRecord], quantity: LayerQuantity) -> None:
    from rich.cells import cell_len

    values = {one: one.values(quantity) for one in found if quantity.name in one.recorded}
    axis = quantity.axis(*(np.array(list(of_run.values())) for of_run in values.values()))
    rows = {one: _rows(one, of_run) for one, of_run in values.items()}
    every = [row for of_run in rows.values() for row in of_run]
    widths = (
        min(max(cell_len(row.name) for row in every), _MAX_WIDTH),
        max(len(row.words) for row in every),
    )
    for number, one in enumerate(found):
        heading = f"{one.log}, {one.training.id}, step {one.numbers.step:,}"
        print("\n" * bool(number) + printable(heading))
        print_notes(one.notes)
        if one in rows:
            print(quantity.title)
            table = _table(rows[one], quantity, axis, widths)
            wide_console(table).print(table)
        else:
            print(f"No record of {quantity.label}.")


def _rows(one: LoggedRecord, values: Mapping[str, float]) -> list[_Row]:
    names, layer_of = chart_names(one.training.model), one.training.model.layer_of
    verdict = one.training.verdict
    sick = one.training.model.layers_of(verdict.paths if verdict else ())
    return [_Row(printable(names[p]), layer_of[p] in sick, value) for p, value in values.items()]


def _table(
    rows: Sequence[_Row],
    quantity: LayerQuantity,
    axis: tuple[float, float],
    widths: tuple[int, int],
) -> Any:
    """Returns a table with bars.

    Args:
        rows: The layers.
        quantity: The quantity.
        axis: The ends of the axis.
        widths: Those of the first and the last column, the same in all tables: then bars of the
            same length have the same value.
    """
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    low, high = axis
    ends = Table.grid(expand=True)
    ends.add_column(justify="left")
    ends.add_column(justify="right")
    ends.add_row(*(_label(end, quantity) for end in axis))
    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("layer", no_wrap=True, width=max(widths[0], len("layer")))
    table.add_column(ends, ratio=1, min_width=12)
    table.add_column("", justify="right", no_wrap=True, width=widths[1])
    for row in rows:
        color = _SICK if row.is_sick or math.isinf(row.value) else _HEALTHY
        end = quantity.position(row.value) if 0 < row.value < math.inf else low
        bar = Bar(high - low, 0, min(max(end - low, 0), high - low), color=color)
        table.add_row(Text(row.name, style=color if row.is_sick else ""), bar, row.words)
    return table


def _label(end: float, quantity: LayerQuantity) -> str:
    """Returns the value at an end of the axis."""
    if quantity.scale == "log":
        return f"1e{end:g}" if end else "1"
    return f"{end:g}"

"""`vg-keras compare`: one quantity of several training runs, as a table and a figure."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vg_keras.commands.output import (
    add_command,
    add_format,
    add_log,
    add_output,
    add_quantity_and_step,
    check_ending,
    finite,
    in_words,
    print_notes,
    progress,
    state,
    wide_console,
)
from vg_keras.comparison import MAX_RUNS, ComparedLayer, Comparison, compare
from vg_keras.layer_quantities import DEFAULT, LAYER_QUANTITIES, LayerQuantity, first_common
from vg_keras.log.reader import OnProgress
from vg_keras.logged_records import LoggedRecord, read_records
from vg_keras.logged_runs import ChosenRun, find_latest, names_of
from vg_keras.printable import printable, shortened_apart
from vg_keras.profiles import Profile

SCHEMA = 1
"""Version of the JSON that `--format json` prints."""

OUTPUT, _ENDINGS = "compare.png", (".png", ".svg", ".pdf")

_DIFFERENCE = 10.0
"""A ratio of this size, or its inverse, is marked."""


@dataclass(frozen=True)
class Compared:
    """What is compared, and the result.

    Args:
        names: A name for each training run.
        records: The record of each.
        quantity: The quantity.
        comparison: The result.
    """

    names: Sequence[str]
    records: Sequence[LoggedRecord]
    quantity: LayerQuantity
    comparison: Comparison


def add(commands: Any) -> None:
    """Adds the command to a parser."""
    parser = add_command(
        commands,
        "compare",
        "compare training runs layer by layer, as a table and a figure",
        f"Prints one quantity of every layer in 2 to {MAX_RUNS} training runs, and draws it as a "
        "figure. Layers are matched by name as far as their order allows. The last column is the "
        "value of the last training run divided by that of the first.",
    )
    what = "a log, whose latest training run is taken, or LOG_DIR@ID for another one"
    add_log(parser, "runs", "RUN", what, nargs="+")
    add_quantity_and_step(parser, "compare")
    add_output(parser, OUTPUT, "where to draw the figure, as .png, .svg or .pdf")
    add_format(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the table, draws the figure and returns the exit status.

    Raises:
        FileNotFoundError: If there is no log.
        OSError: If the figure can't be written.
        ValueError: If fewer than two or more than eight training runs are named, one of them does
            not exist, or one has no record of the quantity at or before the step.
    """
    check_ending(arguments.output, *_ENDINGS)
    chosen = find_latest(arguments.runs)
    if not 2 <= len(chosen) <= MAX_RUNS:
        raise ValueError(
            f"`compare` needs 2 to {MAX_RUNS} different runs. "
            f"Received: {', '.join(arguments.runs)}."
        )
    with progress() as on_progress:
        found = [_read(run, arguments.step, on_progress) for run in chosen]
    quantity, names = _quantity(arguments.quantity, found), names_of(chosen)
    profiles = [one.profile(quantity) for one in found]
    compared = Compared(names, found, quantity, compare(profiles))
    error = _draw(shortened_apart(names), profiles, arguments.output)
    if arguments.format == "json":
        figure = None if error else arguments.output
        print(json.dumps(_as_dict(compared, figure), indent=2, allow_nan=False))
    else:
        _print(compared)
    if error is not None:
        raise error
    if arguments.format == "text":
        print(f"\nWrote {printable(arguments.output)}.")
    return 0


def _read(run: ChosenRun, step: int | None, on_progress: OnProgress) -> LoggedRecord:
    found = read_records(run.log, step, run.training_id, on_progress)
    if not found:
        at_step = "" if step is None else f" at step {step} or before"
        raise ValueError(f"There is no record in {run.log}{at_step}.")
    return found[0]


def _quantity(name: str | None, found: Sequence[LoggedRecord]) -> LayerQuantity:
    """Returns the quantity that was chosen, or the usual one."""
    chosen = LAYER_QUANTITIES[name or first_common(one.recorded for one in found) or DEFAULT]
    for one in found:
        if chosen.name not in one.recorded:
            recorded = ", ".join(one.recorded) or "none"
            raise ValueError(f"{one.log} has no record of {chosen.label}. Recorded: {recorded}.")
    return chosen


def _draw(names: Sequence[str], profiles: Sequence[Profile], output: str) -> OSError | None:
    """Draws the figure, and returns the error if it can't be written."""
    from matplotlib.figure import Figure

    from vg_keras.figures.by_depth import draw_by_depth
    from vg_keras.figures.drawing import add_legend_of_runs, save
    from vg_keras.figures.inputs import Drawn

    figure = Figure((7, 4), layout="constrained")
    axes = figure.subplots()
    draw_by_depth(
        [Drawn(*one) for one in zip(names, profiles, range(len(names)), strict=True)], axes
    )
    axes.grid(alpha=0.3)
    add_legend_of_runs(axes)
    try:
        save(figure, output, dpi=150)
    except OSError as error:
        return error
    return None


def _print(compared: Compared) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("layer", max_width=40)
    comparison = compared.comparison
    for name, step in zip(shortened_apart(compared.names), comparison.steps, strict=True):
        table.add_column(Text(f"{name}\nstep {step:,}"), justify="right")
    table.add_column("last /\nfirst", justify="right")
    for layer in comparison.layers:
        is_marked = not (math.isnan(layer.ratio) or 1 / _DIFFERENCE < layer.ratio < _DIFFERENCE)
        table.add_row(
            Text(printable(layer.label)),
            *(Text(_text(layer, number)) for number in range(len(compared.names))),
            Text(_ratio(layer.ratio), style="bold red" if is_marked else ""),
        )
    print(compared.quantity.title)
    wide_console(table).print(table)
    if not comparison.is_by_name:
        print("Layers with different names are matched by position.")
    for name, one in zip(compared.names, compared.records, strict=True):
        print_notes(one.notes, name)


def _ratio(ratio: float) -> str:
    if math.isnan(ratio):
        return ""
    return f"{ratio:.2g}" if math.isfinite(ratio) else "not finite"


def _text(layer: ComparedLayer, number: int) -> str:
    return "absent" if layer.labels[number] is None else in_words(layer.values[number])


def _state(layer: ComparedLayer, number: int) -> str:
    return "absent" if layer.labels[number] is None else state(layer.values[number])


def _as_dict(compared: Compared, figure: str | None) -> dict[str, Any]:
    comparison = compared.comparison
    return {
        "schema": SCHEMA,
        "quantity": compared.quantity.name,
        "unit": compared.quantity.unit,
        "figure": figure,
        "trainings": [
            {
                "name": name,
                "log": one.log,
                "training": one.training.id,
                "model": one.training.model.name,
                "step": one.numbers.step,
                "notes": list(one.notes),
            }
            for name, one in zip(compared.names, compared.records, strict=True)
        ],
        "is_matched_by_name": comparison.is_by_name,
        "layers": [
            {
                "names": list(layer.labels),
                "values": list(map(finite, layer.values)),
                "states": [_state(layer, number) for number in range(len(layer.values))],
                "ratio": finite(layer.ratio),
            }
            for layer in comparison.layers
        ],
    }

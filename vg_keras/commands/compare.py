"""`vg-keras compare`: one quantity of several training runs, as a table and a figure."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
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
    printable,
    progress,
    wide_console,
)
from vg_keras.comparison import MAX_RUNS, ComparedLayer, Comparison, compare
from vg_keras.layer_quantities import DEFAULT, LAYER_QUANTITIES, LayerQuantity, first_common
from vg_keras.logged_runs import LoggedRun, find_latest, read
from vg_keras.profiles import Profile

SCHEMA = 1
"""Version of the JSON that `--format json` prints."""

OUTPUT, _ENDINGS = "compare.png", (".png", ".svg", ".pdf")

_DIFFERENCE = 10.0
"""A ratio of this size, or its inverse, is marked."""


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
    what = "the log of a training run: the latest one in it, or LOG_DIR@ID for another"
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
            f"Expected from 2 to {MAX_RUNS} different RUNs. Received: {', '.join(arguments.runs)}."
        )
    with progress() as on_progress:
        found = read(chosen, on_progress)
    quantity = _quantity(arguments.quantity, found)
    profiles = [one.table.profile(quantity.name, most=one.table.num_records) for one in found]
    comparison = compare(profiles, arguments.step)
    if arguments.format == "json":
        contents = _as_dict(found, comparison, quantity, arguments.output)
        print(json.dumps(contents, indent=2, allow_nan=False))
    else:
        _print(found, comparison, quantity)
    names = [one.name for one in found]
    _draw(dict(zip(names, profiles, strict=True)), quantity, arguments.step, arguments.output)
    if arguments.format == "text":
        print(f"\nWrote {printable(arguments.output)}.")
    return 0


def _quantity(name: str | None, found: Sequence[LoggedRun]) -> LayerQuantity:
    """Returns the quantity that was chosen, or the usual one."""
    usual = first_common(one.table.quantities for one in found) or DEFAULT
    chosen = LAYER_QUANTITIES[name or usual]
    for one in found:
        if chosen.name not in one.table.quantities:
            recorded = ", ".join(one.table.quantities) or "none"
            raise ValueError(f"No record in {one.log} has {chosen.label}. Recorded: {recorded}.")
    return chosen


def _draw(
    profiles: Mapping[str, Profile], quantity: LayerQuantity, step: int | None, output: str
) -> None:
    from matplotlib.figure import Figure

    from vg_keras import figures
    from vg_keras.figures.drawing import save

    figure = Figure((7, 4), layout="constrained")
    axes = figures.by_depth(profiles, figure.subplots(), step=step)
    axes.set_title(quantity.label)
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, output, dpi=150)


def _print(found: Sequence[LoggedRun], comparison: Comparison, quantity: LayerQuantity) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("layer", max_width=40)
    for one, step in zip(found, comparison.steps, strict=True):
        table.add_column(Text(f"{printable(one.name)}\nstep {step:,}"), justify="right")
    table.add_column("last /\nfirst", justify="right")
    for layer in comparison.layers:
        is_marked = not 1 / _DIFFERENCE < layer.ratio < _DIFFERENCE and layer.ratio > 0
        ratio = "" if math.isnan(layer.ratio) else f"{layer.ratio:.2g}"
        table.add_row(
            Text(printable(layer.label)),
            *(Text(_text(layer, number)) for number in range(len(found))),
            Text(ratio, style="bold red" if is_marked else ""),
        )
    print(quantity.title)
    wide_console(table).print(table)
    if not comparison.is_by_name:
        print("Layers of different names are matched by position.")
    for one in found:
        for note in one.notes:
            print(printable(f"{one.name}: {note}"))


def _text(layer: ComparedLayer, number: int) -> str:
    return "absent" if layer.labels[number] is None else in_words(layer.values[number])


def _as_dict(
    found: Sequence[LoggedRun], comparison: Comparison, quantity: LayerQuantity, output: str
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "quantity": quantity.name,
        "unit": quantity.unit,
        "figure": output,
        "trainings": [
            {
                "name": one.name,
                "log": one.log,
                "training": one.training.id,
                "model": one.training.model.name,
                "step": step,
                "notes": list(one.notes),
            }
            for one, step in zip(found, comparison.steps, strict=True)
        ],
        "is_matched_by_name": comparison.is_by_name,
        "layers": [
            {
                "names": list(layer.labels),
                "values": list(map(finite, layer.values)),
                "ratio": finite(layer.ratio),
            }
            for layer in comparison.layers
        ],
    }

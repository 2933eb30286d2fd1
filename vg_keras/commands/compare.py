"""`vg-keras compare`: one quantity of several training runs, as a table and a figure."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vg_keras.commands.output import (
    add_command,
    add_format,
    add_log,
    add_output,
    add_quantity_and_step,
    finite,
    in_words,
    printable,
    progress,
)
from vg_keras.comparison import ComparedLayer, Comparison, compare
from vg_keras.layer_quantities import LAYER_QUANTITIES, LayerQuantity
from vg_keras.logged_runs import LoggedRun, find_latest, read
from vg_keras.profiles import Profile

SCHEMA = 1
"""Version of the JSON that `--format json` prints."""

OUTPUT = "compare.png"

_DIFFERENCE = 10.0
"""A ratio of this size, or its inverse, is marked."""


def add(commands: Any) -> None:
    """Adds the command to a parser."""
    parser = add_command(
        commands,
        "compare",
        "compare training runs layer by layer, as a table and a figure",
        "Prints one quantity of every layer in two or more training runs, and draws it as a "
        "figure. Layers are matched by name as far as their order allows.",
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
        ValueError: If fewer than two training runs are named, one of them does not exist, or one
            has no record of the quantity at or before the step.
    """
    quantity, chosen = LAYER_QUANTITIES[arguments.quantity], find_latest(arguments.runs)
    if len(chosen) < 2:
        raise ValueError(
            f"Expected two or more different RUNs. Received: {', '.join(arguments.runs)}."
        )
    with progress() as on_progress:
        found = read(chosen, on_progress)
    profiles = {one.name: _profile(one, quantity) for one in found}
    comparison = compare(list(profiles.values()), arguments.step)
    _draw(profiles, quantity, arguments.step, arguments.output)
    if arguments.format == "json":
        contents = _as_dict(found, comparison, quantity, arguments.output)
        print(json.dumps(contents, indent=2, allow_nan=False))
    else:
        _print(found, comparison, quantity)
        print(f"\nWrote {arguments.output}.")
    return 0


def _profile(one: LoggedRun, quantity: LayerQuantity) -> Profile:
    if quantity.name not in one.table.quantities:
        recorded = ", ".join(one.table.quantities) or "none"
        raise ValueError(f"No record in {one.log} has {quantity.label}. Recorded: {recorded}.")
    return one.table.profile(quantity.name, most=one.table.num_records)


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
    known = figure.canvas.get_supported_filetypes()
    if Path(output).suffix.lstrip(".").lower() not in known:
        raise ValueError(
            f"The figure must have one of the endings .{', .'.join(sorted(known))}. "
            f"Received: {output}."
        )
    save(figure, output, dpi=150)


def _print(found: list[LoggedRun], comparison: Comparison, quantity: LayerQuantity) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, markup=False)
    console.print(quantity.title)
    table = Table(box=None, pad_edge=False)
    table.add_column("layer", max_width=40)
    for one, step in zip(found, comparison.steps, strict=True):
        table.add_column(Text(f"{printable(one.name)}\nstep {step:,}"), justify="right")
    table.add_column("last /\nfirst" if len(found) > 2 else "ratio", justify="right")
    for layer in comparison.layers:
        is_marked = not 1 / _DIFFERENCE < layer.ratio < _DIFFERENCE and layer.ratio > 0
        ratio = "" if math.isnan(layer.ratio) else f"{layer.ratio:.2g}"
        table.add_row(
            Text(printable(layer.label)),
            *(Text(_text(layer, number)) for number in range(len(found))),
            Text(ratio, style="bold red" if is_marked else ""),
        )
    console.print(table)
    if not comparison.is_by_name:
        console.print("Layers of different names are matched by position.")


def _text(layer: ComparedLayer, number: int) -> str:
    return "no such layer" if layer.labels[number] is None else in_words(layer.values[number])


def _as_dict(
    found: list[LoggedRun], comparison: Comparison, quantity: LayerQuantity, output: str
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

"""What the commands have in common: arguments, tables, notes and progress."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from vg_keras.layer_quantities import LAYER_QUANTITIES
from vg_keras.log.reader import OnProgress
from vg_keras.printable import printable

DIRECTORY = {"bash": "_shtab_compgen_dirs", "zsh": "_files -/", "tcsh": "d"}
FILE = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
"""How a shell completes a directory or a file: as in shtab, which need not be installed."""

LOG_DIR = (
    "the `log_dir` of a monitor, or a directory of several; LOG_DIR@ID for one training run of a "
    "log that has several"
)

_WAIT = 1.0
"""Seconds after which progress is shown, so that it does not flicker."""


def add_command(commands: Any, name: str, summary: str, description: str) -> Any:
    """Adds a command, and returns its parser.

    Args:
        commands: The subparsers of the program.
        name: The name of the command.
        summary: What it does, in a few words, for the list of commands.
        description: What it does.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description, allow_abbrev=False
    )
    return parser


def add_log_dir(parser: Any) -> None:
    """Adds the argument of a command that reads the logs in a directory."""
    add_log(parser, "log_dir", "LOG_DIR", LOG_DIR)


def add_log(parser: Any, name: str, metavar: str, summary: str, **how: Any) -> None:
    """Adds an argument that names a log, which a shell completes.

    Args:
        parser: The parser.
        name: The name of the argument.
        metavar: Its name in the help.
        summary: What it is.
        **how: As in `add_argument`.
    """
    parser.add_argument(name, metavar=metavar, help=summary, **how).complete = DIRECTORY


def add_quantity_and_step(parser: Any, verb: str) -> None:
    """Adds the options that choose what of a training run is shown, and when.

    Args:
        parser: The parser.
        verb: What the command does with it.
    """
    parser.add_argument(
        "--quantity",
        choices=list(LAYER_QUANTITIES),
        metavar="NAME",
        help=f"what to {verb}: {', '.join(LAYER_QUANTITIES)} (default: activation_gradients, or "
        "gradients if outputs are not recorded)",
    )
    parser.add_argument(
        "--step",
        type=int,
        help=f"{verb} the last record at or before this step (default: the last record)",
    )


def add_output(parser: Any, default: str, summary: str) -> None:
    """Adds the option that names the file to write.

    Args:
        parser: The parser.
        default: The default.
        summary: What is written there, and how.
    """
    parser.add_argument(
        "-o", "--output", metavar="FILE", default=default, help=f"{summary} (default: {default})"
    ).complete = FILE


def check_ending(output: str, *endings: str) -> None:
    """Checks that a file to write has one of some endings.

    Raises:
        ValueError: If it has another one.
    """
    if not output.lower().endswith(endings):
        *others, last = endings
        known = f"{', '.join(others)} or {last}"
        raise ValueError(f"`--output` must end in {known}. Received: {output}.")


def add_format(parser: Any) -> None:
    """Adds the option that chooses between text and JSON."""
    parser.add_argument(
        "--format",
        choices=["text", "json"],
        default="text",
        help="the format of the output; the JSON has the version of its `schema`",
    )


def wide_console(table: Any) -> Any:
    """Returns a Rich console for the output that is wide enough for a table.

    In a narrower terminal, lines break, and no number is cut. Only columns with a `ratio` shrink.
    """
    from rich.console import Console

    how: dict[str, Any] = {"file": sys.stdout, "highlight": False, "markup": False}
    console = Console(**how)
    unlimited = console.options.update(width=sys.maxsize)
    for column in table.columns:
        if column.ratio is None:
            cells = [column.header, *column.cells]
            widths = [console.measure(cell, options=unlimited).maximum for cell in cells]
            column.min_width = min(max(widths), column.width or column.max_width or sys.maxsize)
    needed = console.measure(table, options=unlimited).minimum
    return console if needed <= console.width else Console(**how, width=needed)


def note_skipped(sentence: str) -> None:
    """Prints on the standard error that a log is skipped."""
    print(printable(f"vg-keras: {sentence} It is skipped."), file=sys.stderr)


def print_notes(notes: Iterable[str], of: str = "") -> None:
    """Prints notes on a log.

    Args:
        notes: The notes.
        of: The name of its training run, if there are several.
    """
    for note in notes:
        print(printable(f"{of}: {note}" if of else note))


def in_words(value: float) -> str:
    """Returns a value of a layer: NaN if nothing was recorded, infinite if it is not finite."""
    if math.isnan(value):
        return "not recorded"
    return f"{value:.3g}" if math.isfinite(value) else "NaN or infinite"


def state(value: float) -> str:
    """Returns what a value for JSON is: finite, or else in words."""
    return "finite" if math.isfinite(value) else in_words(value)


def finite(value: float) -> float | None:
    """Returns a number for JSON: None if it is not finite."""
    return value if math.isfinite(value) else None


@contextmanager
def progress(doing: str = "Reading") -> Iterator[OnProgress]:
    """Shows the progress with a log, if that takes long and the error output is a terminal.

    Args:
        doing: What is done with it.

    Yields:
        A function that is called with the path of the log and the fraction that is done.
    """
    if not sys.stderr.isatty():
        yield lambda log, fraction: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    tasks: dict[str, Any] = {}
    began = time.monotonic()

    def show(log: str, fraction: float) -> None:
        if log not in tasks:
            tasks[log] = bar.add_task(f"{doing} {escape(printable(log))}", total=1.0)
        bar.update(tasks[log], completed=fraction)
        if not bar.live.is_started and time.monotonic() - began > _WAIT:
            bar.start()

    try:
        yield show
    finally:
        bar.stop()

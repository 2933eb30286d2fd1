"""`vg-keras report`: one HTML file on the training runs in a log, to attach to a ticket."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vg_keras.commands.output import (
    LOG_DIR,
    add_command,
    add_format,
    add_log,
    add_output,
    check_ending,
    note_skipped,
    progress,
)
from vg_keras.comparison import MAX_RUNS
from vg_keras.logged_runs import LoggedRun, find_all, read
from vg_keras.printable import printable
from vg_keras.rules.diagnosis import counted

SCHEMA = 1
"""Version of the JSON that `--format json` prints."""

OUTPUT, STANDARD_OUTPUT = "report.html", "-"


def add(commands: Any) -> None:
    """Adds the command to a parser."""
    parser = add_command(
        commands,
        "report",
        "write a report as one HTML file, to attach to a ticket",
        "Writes one HTML file that needs no network and no other file: the verdict, pictures, a "
        "table by layer, and the settings. Several training runs are compared.",
    )
    add_log(parser, "log_dirs", "LOG_DIR", LOG_DIR, nargs="+")
    add_output(parser, OUTPUT, "where to write the report, or - for the standard output")
    add_format(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the report and returns the exit status.

    Raises:
        FileNotFoundError: If there is no log.
        OSError: If the report can't be written.
        ValueError: If a log holds no training run, or the report has the ending of something else.
    """
    from vg_keras.report.page import page

    output = arguments.output
    if output != STANDARD_OUTPUT:
        check_ending(output, ".html", ".htm")
    elif arguments.format == "json":
        raise ValueError("`--format json` needs `-o FILE`. Received: -o -.")
    found = find_all(arguments.log_dirs, note_skipped)
    latest = sorted(found, key=lambda run: run.began)[-MAX_RUNS:]
    left_out = len(found) - len(latest)
    with progress() as on_progress:
        chosen = read([run for run in found if run in latest], on_progress)
    note = f"The latest {MAX_RUNS} of {len(found)} training runs." if left_out else ""
    with progress("Examining") as on_progress:
        text = page(chosen, ", ".join(map(_named, arguments.log_dirs)), note, on_progress)
    if output == STANDARD_OUTPUT:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # as the page says
        print(text)
        return 0
    Path(output).write_text(text, encoding="utf-8")
    if arguments.format == "json":
        print(json.dumps(_as_dict(output, chosen, left_out), indent=2))
    else:
        of = f"the latest {MAX_RUNS} of " if left_out else ""
        print(f"Wrote {printable(output)} with {of}{counted(len(found), 'training run')}.")
    return 0


def _named(path: str) -> str:
    """Returns a path that means something to whoever reads the report elsewhere."""
    is_relative_only = Path(os.path.normpath(path)).parts[:1] in ((), (os.pardir,))
    return os.path.abspath(path) if is_relative_only else path


def _as_dict(output: str, runs: Sequence[LoggedRun], left_out: int) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "report": output,
        "trainings": [
            {
                "name": run.name,
                "log": run.log,
                "training": run.training.id,
                "model": run.training.model.name,
                "num_records": run.table.num_records,
                "notes": list(run.notes),
            }
            for run in runs
        ],
        "left_out": left_out,
    }

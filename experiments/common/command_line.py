"""Runs an experiment from the command line: its printed output and its error messages."""

from __future__ import annotations

import errno
import importlib
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from experiments.common import options, quiet
from experiments.common.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from experiments.common.outcome import Outcome


def main(name: str, arguments: list[str] | None = None) -> int:
    """Runs an experiment and returns the exit status.

    Args:
        name: The experiment, a module in `experiments` with `add_options` and `run`.
        arguments: Command-line arguments, by default those of the process.
    """
    experiment = importlib.import_module(f"experiments.{name}")
    chosen = options.parser(experiment).parse_args(arguments)

    def work() -> None:
        run(experiment, chosen)

    return guarded(work, chosen.log_dir)


def guarded(work: Callable[[], int | None], log_dir: str) -> int:
    """Does some work and returns the exit status.

    Returns:
        What the work returned, with 0 for None; 2 after a `UsageError`, or 130 after Ctrl-C.
    """
    try:
        quiet.import_tensorflow()
        return work() or 0
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nInterrupted. {_what_is_done(log_dir)}", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        place = error.filename or log_dir
        print(f"error: The disk is full ({place}). {_what_is_done(log_dir)}", file=sys.stderr)
        return 2


def _what_is_done(log_dir: str) -> str:
    return f"What is done lies in {log_dir}; the same command goes on from there."


def run(experiment: ModuleType, chosen: Namespace) -> Path:
    """Runs an experiment, prints and saves its results, and returns their folder."""
    from rich.console import Console

    from experiments.common import device, saving
    from experiments.common.session import Session

    console = Console(quiet=chosen.quiet, soft_wrap=True, highlight=False, markup=False)
    session = Session(experiment, chosen, console, device.choose(chosen.device))
    console.print(f"Device: {session.device}")
    output = options.make_folder(Path(chosen.output)) if chosen.output else session.folder
    outcome: Outcome = experiment.run(session)
    saving.save(outcome, session, output)
    _print(console, outcome)
    figures = ", ".join(str(output / name) for name in outcome.figures)
    if figures:
        console.print(f"\nFigure:  {figures}.png and .svg")
    console.print(f"Numbers: {output / 'results.json'}")
    if any(session.folder.rglob("*tfevents*")):
        tensorboard = Path(sys.executable).parent / "tensorboard"
        console.print(f"Logs:    {tensorboard} --logdir {session.folder}")
    return output


def _print(console: Console, outcome: Outcome) -> None:
    from rich.table import Table
    from rich.text import Text

    if outcome.checks:
        table = Table(title="What is claimed, and what came out", title_justify="left")
        for heading in ("", "published", "ours", "band", "held"):
            table.add_column(heading, justify="left" if heading in ("", "band") else "right")
        for check in outcome.checks:
            held = Text("yes") if check.held else Text("no", style="bold")
            what = Text.assemble(check.what, "\n", (check.source, "dim"))
            table.add_row(what, check.published, check.printed, check.band, held)
        console.print(table)
    console.print(outcome.answer)

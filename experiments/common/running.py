"""Runs an experiment, once TensorFlow has started, and prints and saves its results."""

import importlib
import sys
from argparse import Namespace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.common import results, session
from experiments.common.mnist import Mnist
from experiments.common.outcome import Outcome


def run(name: str, chosen: Namespace, console: Console, device: str, data: Mnist | None) -> Path:
    """Runs an experiment and returns the folder of its results."""
    experiment = importlib.import_module(f"experiments.{name}.experiment")
    current = session.begin(name, chosen, console, device, data)
    console.print(f"Device: {device}")
    if data:
        console.print(f"Data: {data}")
    outcome: Outcome = experiment.run(current)
    output = Path(chosen.output) if chosen.output else current.work.folder
    results.save(outcome, current, output)
    _print(console, outcome)
    if outcome.figure:
        console.print(f"\nFigure:  {output / name}.png")
    console.print(f"Numbers: {output / results.FILE}")
    if any(current.work.folder.rglob("*tfevents*")):
        commands = Path(sys.executable).parent
        console.print(f"Logs:    {commands / 'tensorboard'} --logdir {current.work.folder}")
        console.print(f"Verdict: {commands / 'vg-keras'} diagnose {current.work.folder}")
    return output


def _print(console: Console, outcome: Outcome) -> None:
    if outcome.checks:
        table = Table(title="Expected and measured", title_justify="left")
        for heading in ("", "expected", "ours", "accepted range", "holds"):
            left = heading in ("", "accepted range")
            table.add_column(heading, justify="left" if left else "right")
        for check in outcome.checks:
            held = Text("yes") if check.held else Text("no", style="bold")
            what = Text.assemble(check.what, "\n", (check.source, "dim"))
            table.add_row(what, check.expected, check.printed, check.band, held)
        console.print(table)
    console.print(outcome.answered)

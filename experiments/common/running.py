"""Runs an experiment, once TensorFlow has started, and prints and saves its results.

The figure is saved as PNG, and everything else as results.json.
"""

import importlib
import json
import math
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.common import session
from experiments.common.catalogue import question
from experiments.common.mnist import Mnist
from experiments.common.outcome import Outcome
from experiments.common.session import Session, versions

DPI = 150
FILE = "results.json"
_SAVED = ("what", "source", "expected", "ours", "printed", "band", "held")


def run(name: str, chosen: Namespace, console: Console, device: str, data: Mnist | None) -> Path:
    """Runs an experiment and returns the folder of its results."""
    experiment = importlib.import_module(f"experiments.{name}.experiment")
    current = session.begin(name, chosen, console, device, data)
    console.print(f"Device: {device}")
    if data:
        console.print(f"Data: {data}")
    outcome: Outcome = experiment.run(current)
    output = Path(chosen.output) if chosen.output else current.work.folder
    save(outcome, current, output)
    _print(console, outcome)
    if outcome.figure:
        console.print(f"\nFigure:  {output / name}.png")
    console.print(f"Numbers: {output / FILE}")
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


def save(outcome: Outcome, session: Session, folder: Path) -> None:
    """Writes the figure and results.json into an existing folder."""
    if outcome.figure is not None:
        outcome.figure.savefig(folder / f"{session.name}.png", dpi=DPI)
    text = json.dumps(_plain(_content(outcome, session)), indent=1, allow_nan=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8", newline="\n")


def _content(outcome: Outcome, session: Session) -> dict[str, Any]:
    data = session.work.data
    return {
        "name": session.name,
        "question": question(session.name),
        "answer": outcome.answered,
        "findings": outcome.findings,
        "settings": outcome.settings,
        "data": data
        and {
            "name": data.name,
            "source": data.source,
            "training_images": len(data.x_train),
            "test_images": len(data.x_test),
        },
        "device": session.device,
        "versions": versions(),
        "seconds_of_all_runs": round(sum(session.seconds), 1),
        "checks": [{name: getattr(check, name) for name in _SAVED} for check in outcome.checks],
        **({"table": outcome.table} if outcome.table else {}),
        "numbers": outcome.numbers,
    }


def _plain(value: Any) -> Any:
    """Converts a value to JSON types; a number that is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value

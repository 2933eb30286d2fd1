"""`vg-keras diagnose`: what is wrong with the training runs in a log."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterable
from typing import Any

from vg_keras.commands.output import add_command, add_log_dir, note_skipped, progress
from vg_keras.logged_runs import notes_on, split
from vg_keras.printable import capitalized, printable
from vg_keras.rules.diagnosis import Diagnosis
from vg_keras.rules.examine_log import Examined, examine_log

FOUND = 1
"""The exit status if a problem was found."""

SCHEMA = 1
"""Version of the JSON that `--format json` prints."""


def add(commands: Any) -> None:
    """Adds the command to a parser."""
    parser = add_command(
        commands,
        "diagnose",
        "diagnose the training runs in a log",
        "Says what is wrong with each training run in a log: in which layers, since which step, "
        "why, and what to try.",
    )
    add_log_dir(parser)
    parser.epilog = (
        "Exit status: 0 if no problem of the severity was found, 1 if one was, 2 if the log can't "
        "be read."
    )
    parser.add_argument(
        "--format",
        choices=list(_FORMATS),
        default="text",
        help="text; json (with a versioned schema); or github: annotations of GitHub Actions",
    )
    parser.add_argument(
        "--severity",
        choices=["error", "warning"],
        default="warning",
        help="exit with status 1 from this severity on (default: warning)",
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="CODE[:PATTERN]",
        help="silence a rule, everywhere (VG201) or for some layers ('VG201:encoder/*'); may be "
        "repeated",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the verdicts and returns the exit status."""
    log, training_id = split(arguments.log_dir)
    with progress() as on_progress:
        examined = examine_log(
            log,
            ignore=arguments.ignore,
            on_progress=on_progress,
            training_id=training_id,
            on_skipped=note_skipped,
        )
        found = list(examined)
    if text := _FORMATS[arguments.format](found):
        print(text)
    severities = {"error"} if arguments.severity == "error" else {"error", "warning"}
    diagnoses = (diagnosis for one in found for diagnosis in one.verdict.diagnoses)
    return FOUND if any(diagnosis.severity in severities for diagnosis in diagnoses) else 0


def _text(found: Iterable[Examined]) -> str:
    blocks = []
    for one in found:
        model = one.training.model.name
        lines = [f"{printable(f'{one.log}, {one.training.id}')}, model {model!r}:"]
        lines.append(capitalized(one.verdict.headline))
        for diagnosis in one.verdict.diagnoses:
            lines += [str(_plain(diagnosis)), f"  More: {diagnosis.page}"]
        lines += [printable(str(not_applied)) for not_applied in one.verdict.not_applied]
        lines += map(printable, notes_on(one.training, one.damage))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _json(found: Iterable[Examined]) -> str:
    trainings = [
        {
            "log": one.log,
            "training": one.training.id,
            "model": one.training.model.name,
            "notes": list(notes_on(one.training, one.damage)),
            **one.verdict.as_dict(),
        }
        for one in found
    ]
    return json.dumps({"schema": SCHEMA, "trainings": trainings}, indent=2, allow_nan=False)


def _github(found: Iterable[Examined]) -> str:
    """Returns workflow commands, which GitHub Actions shows as annotations."""
    lines = []
    for one in found:
        lines += [_annotation(one.log, diagnosis) for diagnosis in one.verdict.diagnoses]
        notes = notes_on(one.training, one.damage)
        lines += [f"::warning::{_escaped(f'{one.log}: {note}')}" for note in notes]
    return "\n".join(lines)


def _plain(diagnosis: Diagnosis) -> Diagnosis:
    """Returns a diagnosis in which names of layers can't break lines or control a terminal."""
    return dataclasses.replace(
        diagnosis, message=printable(diagnosis.message), cause=printable(diagnosis.cause)
    )


def _annotation(log: str, diagnosis: Diagnosis) -> str:
    title = _escaped(f"{diagnosis.code} {diagnosis.name} in {log}")
    title = title.replace(":", "%3A").replace(",", "%2C")
    return f"::{diagnosis.severity} title={title}::{_escaped(str(diagnosis))}"


def _escaped(text: str) -> str:
    """Returns a text as a workflow command takes it, which ends at a line break."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


_FORMATS: dict[str, Callable[[Iterable[Examined]], str]] = {
    "text": _text,
    "json": _json,
    "github": _github,
}

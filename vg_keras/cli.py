"""The command `vg-keras`, also `python -m vg_keras`.

Needs neither TensorFlow nor Keras. All work is done elsewhere: this module reads the arguments and
prints.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Sequence

import vg_keras
from vg_keras.log.format import FormatVersionError
from vg_keras.rules.diagnosis import Diagnosis
from vg_keras.rules.examine_log import Examined, examine_log

SCHEMA = 1
"""Version of the JSON that `--format json` prints."""

FOUND, FAILED = 1, 2
"""Exit statuses: a problem was found; the log can't be read, or the arguments are wrong."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status.

    Args:
        arguments: The arguments, without the name of the program; by default those of the process.
    """
    parsed = _parser().parse_args(arguments)
    try:
        found = list(examine_log(parsed.log_dir, ignore=parsed.ignore))
    except (OSError, FormatVersionError, ValueError) as error:
        print(f"vg-keras: {error}", file=sys.stderr)
        return FAILED
    print(_FORMATS[parsed.format](found))
    severities = {"error"} if parsed.severity == "error" else {"error", "warning"}
    diagnoses = (diagnosis for one in found for diagnosis in one.verdict.diagnoses)
    return FOUND if any(diagnosis.severity in severities for diagnosis in diagnoses) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vg-keras",
        description="Says what the logs of vg_keras.GradientMonitor show.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=vg_keras.__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    diagnose = commands.add_parser(
        "diagnose",
        help="say what is wrong with the training runs in a log",
        description="Says what is wrong with the training runs in a log, in which layers, since "
        "which step, and what to try.",
        epilog="Exit status: 0 if no problem of the severity was found, 1 if one was, 2 if the log "
        "can't be read.",
        allow_abbrev=False,
    )
    diagnose.add_argument(
        "log_dir", metavar="LOG_DIR", help="the `log_dir` of a monitor, or a directory of several"
    )
    diagnose.add_argument(
        "--format",
        choices=list(_FORMATS),
        default="text",
        help="text; json (with a versioned schema); or github: annotations of GitHub Actions",
    )
    diagnose.add_argument(
        "--severity",
        choices=["error", "warning"],
        default="warning",
        help="the lowest severity for which the exit status is 1 (default: warning)",
    )
    diagnose.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="CODE[:PATTERN]",
        help="silence a rule, everywhere (VG201) or for some layers ('VG201:encoder/*'); may be "
        "repeated",
    )
    return parser


def _text(found: Iterable[Examined]) -> str:
    blocks = []
    for one in found:
        lines = [f"{one.log}, {one.training.id}, model {one.training.model.name!r}:"]
        lines.append(f"{one.verdict.headline[0].upper()}{one.verdict.headline[1:]}")
        for diagnosis in one.verdict.diagnoses:
            lines += [str(_plain(diagnosis)), f"  More: {diagnosis.page}"]
        lines += [str(not_applied) for not_applied in one.verdict.not_applied]
        lines += [f"Damaged: {sentence}" for sentence in one.damage]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _json(found: Iterable[Examined]) -> str:
    trainings = [
        {
            "log": one.log,
            "training": one.training.id,
            "model": one.training.model.name,
            "damage": list(one.damage),
            **one.verdict.as_dict(),
        }
        for one in found
    ]
    return json.dumps({"schema": SCHEMA, "trainings": trainings}, indent=2)


def _github(found: Iterable[Examined]) -> str:
    """Returns workflow commands, which GitHub Actions shows as annotations."""
    lines = []
    for one in found:
        lines += [_annotation(one.log, diagnosis) for diagnosis in one.verdict.diagnoses]
        lines += [f"::warning::{_escaped(f'Damaged: {sentence}')}" for sentence in one.damage]
    return "\n".join(lines)


def _plain(diagnosis: Diagnosis) -> Diagnosis:
    """Returns a diagnosis in which names of layers can't break lines or control a terminal."""
    message, cause = (
        "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
        for text in (diagnosis.message, diagnosis.cause)
    )
    return dataclasses.replace(diagnosis, message=message, cause=cause)


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

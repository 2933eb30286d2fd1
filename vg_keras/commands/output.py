"""What the commands have in common: arguments, and text that can't harm a terminal."""

from __future__ import annotations

import argparse
from typing import Any

FOUND, FAILED = 1, 2
"""Exit statuses: a problem was found; the log can't be read, or the arguments are wrong."""


def add_command(commands: Any, name: str, summary: str, description: str) -> Any:
    """Adds a command that reads a log, and returns its parser.

    Args:
        commands: The subparsers of the program.
        name: The name of the command.
        summary: What it does, in a few words, for the list of commands.
        description: What it does.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description, allow_abbrev=False
    )
    parser.add_argument(
        "log_dir", metavar="LOG_DIR", help="the `log_dir` of a monitor, or a directory of several"
    )
    return parser


def printable(text: str) -> str:
    """Returns a text in which names of layers can't break lines or control a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)

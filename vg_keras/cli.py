"""The command `vg-keras`, also `python -m vg_keras`.

Each command has a file of its own in `commands/`; this one reads the arguments and reports what
can't be done. Only `demo` needs TensorFlow and Keras.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import vg_keras
from vg_keras.commands import demo, diagnose, show
from vg_keras.commands.output import FAILED


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status.

    Args:
        arguments: The arguments, without the name of the program; by default those of the process.
    """
    parsed = _parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ImportError, OSError, ValueError) as error:
        print(f"vg-keras: {error}", file=sys.stderr)
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vg-keras",
        description="Says what the logs of vg_keras.GradientMonitor show.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=vg_keras.__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (diagnose, show, demo):
        command.add(commands)
    return parser

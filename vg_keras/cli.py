"""The command `vg-keras`, also `python -m vg_keras`.

Each command has a file of its own in `commands/`; this one reads the arguments and reports what
can't be done. Only `demo` needs TensorFlow and Keras.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

import vg_keras
from vg_keras.commands import compare, demo, diagnose, report, show
from vg_keras.commands.output import FAILED, INTERRUPTED

_EPILOG = """\
examples:
  vg-keras demo                    write two logs to try the other commands on
  vg-keras diagnose logs           in CI: the exit status is 1 if there is a problem
  vg-keras show logs               the gradient of every layer, in the terminal
  vg-keras report logs             all of it as a file, report.html
  vg-keras compare logs/a logs/b   two training runs, layer by layer

The exit status is 2 if something can't be done. `vg-keras COMMAND --help` explains a command.
"""


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
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ImportError, OSError, ValueError) as error:
        print(f"vg-keras: {error}", file=sys.stderr)
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vg-keras",
        description="Says what the logs of vg_keras.GradientMonitor show.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=vg_keras.__version__)
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=["bash", "zsh", "tcsh"],
        help="print a script that completes commands and options in a shell",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (diagnose, show, report, compare, demo):
        command.add(commands)
    return parser


class _PrintCompletion(argparse.Action):
    """Prints the script and exits; needs the package shtab."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any) -> None:
        _, shell, *_ = args
        try:
            import shtab
        except ImportError:
            parser.error(
                "--print-completion needs the package shtab. Install it: pip install shtab"
            )
        print(shtab.complete(parser, shell))
        parser.exit()

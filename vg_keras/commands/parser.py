"""The arguments of `vg-keras`: its commands, its help, and completion in a shell."""

from __future__ import annotations

import argparse
from typing import Any

import vg_keras
from vg_keras.commands import compare, demo, diagnose, report, show

_EPILOG = """\
examples:
  vg-keras demo                    write two logs to try the other commands on
  vg-keras diagnose logs           in CI: the exit status is 1 if there is a problem
  vg-keras show logs               the gradient of every layer, in the terminal
  vg-keras report logs             all of it as a file, report.html
  vg-keras compare logs/a logs/b   two training runs, layer by layer

The exit status is 2 if something can't be done. `vg-keras COMMAND --help` explains a command.
"""


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the program. What it parses has a function `run`."""
    found = argparse.ArgumentParser(
        prog="vg-keras",
        description="Reads and compares the logs of vg_keras.GradientMonitor.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("--version", action="version", version=vg_keras.__version__)
    found.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=["bash", "zsh", "tcsh"],
        help="print a script that completes commands and options in a shell",
    )
    commands = found.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (diagnose, show, report, compare, demo):
        command.add(commands)
    return found


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

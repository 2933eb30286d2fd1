"""The command `vg-keras`, also `python -m vg_keras`.

Runs one of the `commands/`, and turns whatever ends it into an exit status and one line. Only
`demo` needs TensorFlow and Keras.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

FAILED, INTERRUPTED = 2, 130
"""Exit statuses: something can't be done; Ctrl-C. A command may have others, such as 1."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status.

    Args:
        arguments: The arguments, without the name of the program; by default those of the process.
    """
    _prepare_streams()
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads the output has enough
        _flush_or_discard()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ImportError, OSError, ValueError) as error:
        _flush_or_discard()
        print(f"vg-keras: {_in_one_line(error)}", file=sys.stderr)
        return FAILED
    return status


def _run(arguments: Sequence[str] | None) -> int:
    # Imported here, because it takes so long that Ctrl-C may come meanwhile.
    from vg_keras.commands.parser import parser

    try:
        parsed = parser().parse_args(arguments)
    except SystemExit as end:  # after --help and the like, or on wrong arguments
        return int(end.code or 0)
    status: int = parsed.run(parsed)
    return status


def _prepare_streams() -> None:
    """Makes it safe to print: to a closed stream, and in an encoding that lacks characters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, as by `>&-`
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _flush_or_discard() -> None:
    """Writes what was printed so far. If that fails, it is not tried again when Python exits."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_one_line(error: Exception) -> str:
    """Returns the message of an error, in which a name can't control a terminal."""
    from vg_keras.commands.output import printable

    words = str(error)
    if isinstance(error, OSError) and error.strerror:
        words = ": ".join(filter(None, [error.filename and str(error.filename), error.strerror]))
    return printable(words)

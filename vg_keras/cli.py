"""The command `vg-keras`, also `python -m vg_keras`.

Runs one of the `commands/`, and maps errors to an exit status and a message of one line. Only
`demo` needs TensorFlow and Keras.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from vg_keras.log.storage import file_errors
from vg_keras.printable import printable

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
    except BrokenPipeError:  # the reader has closed the pipe
        _flush(sys.stdout)
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if not isinstance(error, (ImportError, OSError, ValueError, *file_errors())):
            raise
        _flush(sys.stdout)
        with contextlib.suppress(OSError):  # there is nowhere to say it
            print(f"vg-keras: {_in_one_line(error)}", file=sys.stderr)
        _flush(sys.stderr)
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


def _flush(stream: TextIO) -> None:
    """Writes what was printed so far. If that fails, Python does not try again when it exits."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _in_one_line(error: Exception) -> str:
    """Returns the message of an error, in which a name can't control a terminal."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return printable(place + error.strerror)
    return printable(str(error))

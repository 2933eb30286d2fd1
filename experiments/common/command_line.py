"""Runs an experiment from the command line: what it ends with, and how its errors are told."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable

from experiments.common import quiet
from experiments.common.errors import UsageError


def run(experiment: Callable[[Namespace], object], chosen: Namespace) -> int:
    """Runs an experiment with the options that were chosen.

    Returns:
        The exit status: 0, 2 where something that was asked for can't be had, or 130 after Ctrl-C.
    """
    try:
        quiet.import_tensorflow()
        experiment(chosen)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        log_dir = getattr(chosen, "log_dir", None)
        where = f" What was logged so far is in {log_dir}." if log_dir else ""
        print(f"\nInterrupted.{where}", file=sys.stderr)
        return 130
    return 0

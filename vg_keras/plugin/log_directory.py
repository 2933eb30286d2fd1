"""Finds the logs of GradientMonitor under TensorBoard's log directory.

A run has the name that TensorBoard gives to it: the path of its directory below the log directory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from vg_keras.log.format import FormatVersionError
from vg_keras.log.reader import Follower
from vg_keras.log.storage import is_remote
from vg_keras.record import Training


@dataclass(frozen=True)
class FoundRun:
    """A run that a GradientMonitor wrote.

    Args:
        name: Its name in TensorBoard.
        path: Its directory.
        trainings: Its training runs as far as the beginnings of its files tell, without records.
        error: Why it can't be read, or empty.
    """

    name: str
    path: str
    trainings: tuple[Training, ...]
    error: str = ""


Signature = tuple[tuple[str, int], ...]
"""The names and sizes of the event files in a directory."""


class LogDirectory:
    """The log directory of a TensorBoard.

    Args:
        logdir: The value of `--logdir`, or an empty string.
        logdir_spec: The value of `--logdir_spec`: directories, separated by commas, each after an
            optional name and a colon.
    """

    def __init__(self, logdir: str = "", logdir_spec: str = "") -> None:
        roots = [("", logdir)] if logdir else map(_name_and_path, logdir_spec.split(","))
        self._roots = [(name, path) for name, path in roots if path]
        self._lock = Lock()
        self._known: dict[str, tuple[Signature, FoundRun | None]] = {}

    @property
    def remote(self) -> list[str]:
        """The directories that are not on a local disk, where nothing is looked for."""
        return [path for _, path in self._roots if is_remote(path)]

    def runs(self) -> dict[str, FoundRun]:
        """Returns all runs of a GradientMonitor, by name, sorted."""
        found = {}
        with self._lock:
            for root_name, root in self._roots:
                if is_remote(root):
                    continue
                root = str(Path(root).expanduser())
                for path in sorted(_directories(root)):
                    name = os.path.normpath(os.path.join(root_name, os.path.relpath(path, root)))
                    run = self._run(name.replace(os.sep, "/"), path)
                    if run is not None:
                        found[run.name] = run
        return dict(sorted(found.items()))

    def _run(self, name: str, path: str) -> FoundRun | None:
        """Returns the run in a directory, or None if a GradientMonitor did not write it.

        Directories are read again when their event files have changed; of a run, when it has
        others.
        """
        files = _event_files(path)
        signature, run = self._known.get(path, ((), None))
        is_same = _names(files) == _names(signature) if run else files == signature
        if not is_same:
            run = _read(name, path) if files else None
            self._known[path] = (files, run)
        return run


def _read(name: str, path: str) -> FoundRun | None:
    try:
        trainings = Follower(path, are_runs=True).begun()
    except FormatVersionError as error:
        return FoundRun(name, path, (), str(error))
    except OSError:
        return None
    return FoundRun(name, path, tuple(trainings)) if trainings else None


def _event_files(path: str) -> Signature:
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        return tuple((e.name, e.stat().st_size) for e in entries if "tfevents" in e.name)
    except OSError:  # it is gone, or may not be read
        return ()


def _names(signature: Signature) -> list[str]:
    return [name for name, _ in signature]


def _name_and_path(specification: str) -> tuple[str, str]:
    """Splits a part of `--logdir_spec`, as `data_ingester.py` of TensorBoard 2.21 does."""
    is_path = specification.startswith("/") or os.path.splitdrive(specification)[0]
    if is_path or ":" not in specification or re.match(r"[a-zA-Z][0-9a-zA-Z.]*://", specification):
        return "", specification
    name, _, path = specification.partition(":")
    return name, path


def _directories(root: str) -> Iterable[str]:
    """Yields a directory and all below it. Links are followed, but none of them twice."""
    seen = set()
    for path, directories, _ in os.walk(root, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            directories.clear()
        else:
            seen.add(real)
            yield path

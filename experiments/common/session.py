"""The context of an experiment: its options, the data, and a way to train many networks at once."""

from __future__ import annotations

import functools
import shutil
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
from rich.console import Console

from experiments.common import device, mnist, options
from experiments.common.errors import UsageError
from experiments.common.mnist import Mnist
from experiments.common.sweep import Work, present, sweep

# Options that change where and how fast an experiment runs, but not its outcome.
_OF_NO_CONSEQUENCE = {"quiet", "jobs", "output", "log_dir", "fresh", "seeds", "data"}
# Modules of this folder for which the same holds.
_OF_NO_EFFECT = {"catalogue", "command_line", "outcome", "page", "readme", "saving", "style"}


@dataclass(frozen=True)
class Session:
    """One invocation of an experiment.

    Args:
        experiment: The experiment's module.
        chosen: The experiment's options.
        console: Where the experiment prints.
        device: The device it trains on, in words.
        seconds: How long each of its runs took.
    """

    experiment: ModuleType
    chosen: Namespace
    console: Console
    device: str
    seconds: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return self.experiment.__name__.rpartition(".")[2]

    @functools.cached_property
    def data(self) -> Mnist | None:
        """The digits, or None if the experiment does not use them."""
        if not hasattr(self.chosen, "data"):
            return None
        data = mnist.load(self.chosen.data, self.console.print).limited(
            getattr(self.chosen, "limit", None)
        )
        self.console.print(f"Data: {data}")
        return data

    @property
    def digits(self) -> Mnist:
        """The digits, in an experiment that uses them."""
        return present(self.data)

    @functools.cached_property
    def folder(self) -> Path:
        """The folder of logs and finished runs, which is the same for the same options.

        Raises:
            UsageError: If the folder cannot be created.
        """
        chosen = {k: v for k, v in vars(self.chosen).items() if k not in _OF_NO_CONSEQUENCE}
        key = joblib.hash((chosen, self.data, self.device, versions(), _code(self.experiment)))
        logs = options.make_folder(Path(self.chosen.log_dir))
        folder = logs / self.name / key[:8]
        if self.chosen.fresh:
            _remove(folder)
        return options.make_folder(folder)

    def sweep(self, function: Callable[[Any, Work], Any], runs: Sequence[Any]) -> list[Any]:
        """Carries out independent runs in parallel processes; see `sweep.sweep`.

        Returns:
            The function's return value for each run.
        """
        done = sweep(
            function,
            runs,
            Work(self.folder, self.data, self.chosen.device),
            self.chosen.jobs or device.default_jobs(self.device),
            self.console,
        )
        self.seconds.extend(seconds for _, seconds in done)
        return [result for result, _ in done]


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UsageError(f"The folder {folder} can't be removed: {error.strerror}.") from error


def _code(experiment: ModuleType) -> list[tuple[str, bytes]]:
    """Returns the code that the outcome depends on: any change of it restarts everything."""
    import vg_keras

    packages = (Path(__file__).parent, Path(vg_keras.__file__).parent)
    paths = [path for package in packages for path in package.rglob("*.py")]
    paths = [p for p in paths if p.stem not in _OF_NO_EFFECT and p.parent.name != "figures"]
    paths = sorted([*paths, Path(str(experiment.__file__))])
    return [(path.name, path.read_bytes()) for path in paths]


def versions() -> dict[str, str]:
    """Returns the versions of the libraries that measure and train."""
    import keras
    import tensorflow as tf

    import vg_keras

    return {
        "vg_keras": vg_keras.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }

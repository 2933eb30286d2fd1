"""The context of an experiment: its options, the data, and a way to train many networks at once."""

import itertools
import re
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import keras
import tensorflow as tf
from rich.console import Console

import vg_keras
from experiments.common import catalogue, options, start
from experiments.common.mnist import Mnist
from experiments.common.sweep import Function, Work, sweep

# Options that change where and how fast an experiment runs, but not its outcome, and how many runs
# it consists of.
_WITHOUT_EFFECT = {"quiet", "jobs", "output", "log_dir", "fresh", "device", "num_seeds", "num_runs"}
# Modules that only judge, draw or print what the runs returned.
_AFTER = {"catalogue", "expected", "figure", "judgement", "outcome", "pages", "running", "style"}
_KEY_FILE = ".key"
_UNSAFE = re.compile(r"[^\w.,+-]+")


@dataclass(frozen=True)
class Session:
    """One invocation of an experiment."""

    name: str
    options: Namespace
    console: Console
    device: str  # in words
    work: Work  # its digits, if any, and the folder of its logs and finished runs
    seconds: list[float] = field(default_factory=list)  # the duration of each run

    @property
    def digits(self) -> Mnist:
        """The digits, in an experiment that uses them."""
        return self.work.digits

    def sweep(self, function: Function, runs: Sequence[Any]) -> list[Any]:
        """Carries out runs as `sweep.sweep` does, and returns what the function returns of each."""
        jobs = self.options.jobs or start.default_jobs(self.device)
        done = sweep(function, runs, self.work, jobs, self.console)
        self.seconds.extend(seconds for _, seconds in done)
        return [result for result, _ in done]


def begin(
    name: str, chosen: Namespace, console: Console, device: str, data: Mnist | None
) -> Session:
    """Returns a session whose folder holds the finished runs of the same options, if any.

    Otherwise, and with `--fresh`, the folder is new and named after the time and the options that
    differ from their defaults.
    """
    effective = {k: v for k, v in vars(chosen).items() if k not in _WITHOUT_EFFECT | {"data"}}
    key = joblib.hash((name, effective, data, device, versions(), _code(name)))
    logs = Path(chosen.log_dir, name)
    same = [path.parent for path in logs.glob(f"*/{_KEY_FILE}") if path.read_text() == key]
    if same and not chosen.fresh:
        folder = max(same)
    else:
        folder = first = logs / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{_described(name, chosen)}"
        numbers = itertools.count(2)
        while folder.exists():
            folder = first.with_name(f"{first.name}_{next(numbers)}")
        folder.mkdir(parents=True)
        (folder / _KEY_FILE).write_text(key)
    return Session(name, chosen, console, device, Work(folder, data, chosen.device))


def _described(name: str, chosen: Namespace) -> str:
    """Describes the options that differ from their defaults, for the name of a folder."""
    defaults = vars(options.experiment_parser(name).parse_args([]))
    parts = []
    for option, value in vars(chosen).items():
        if option not in _WITHOUT_EFFECT and value != defaults[option]:
            values = value if isinstance(value, list) else [value]
            text = ",".join(Path(str(v)).name for v in values)
            parts.append(f"{option}={_UNSAFE.sub('-', text)}")
    return "_".join(parts)[:100] or "defaults"


def _code(name: str) -> list[tuple[str, bytes]]:
    """Returns the code that the outcome depends on: any change of it restarts everything."""
    folders = catalogue.FOLDER / "common", catalogue.FOLDER / name, Path(vg_keras.__file__).parent
    paths = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return [(path.name, path.read_bytes()) for path in paths if path.stem not in _AFTER]


def versions() -> dict[str, str]:
    """Returns the versions of the libraries that measure and train."""
    return {module.__name__: module.__version__ for module in (vg_keras, keras, tf)}

"""`vg-keras demo`: a small log with a sick and a healthy training run, to look at."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from vg_keras.commands.output import add_command, add_format, add_log
from vg_keras.printable import printable
from vg_keras.rules.verdict import Verdict

SCHEMA = 1
"""Version of the JSON that `--format json` prints."""

LOG_DIR = "logs/demo"

RUNS: Mapping[str, str] = {"sigmoid": "sick", "relu": "healthy"}
"""The activation of the hidden layers of each run, which is also its name, and how it is meant."""

_LAYERS, _UNITS, _CLASSES, _FEATURES, _EXAMPLES = 8, 64, 4, 20, 4096


def add(commands: Any) -> None:
    """Adds the command to a parser."""
    parser = add_command(
        commands,
        "demo",
        "write a small log with a sick and a healthy training run",
        "Trains two networks of eight layers, one with sigmoid and one with ReLU, for some "
        "seconds, and says how to look at their logs. Needs Keras and TensorFlow.",
    )
    what = f"where to write the logs (default: {LOG_DIR})"
    add_log(parser, "log_dir", "LOG_DIR", what, nargs="?", default=LOG_DIR)
    add_format(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Trains both networks and returns the exit status."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
    is_text = arguments.format == "text"
    found = []
    for activation, meant in RUNS.items():
        log_dir = os.path.join(arguments.log_dir, activation)
        if is_text:
            print(f"Training a network with {activation}, which should be {meant} ...", flush=True)
        accuracy, verdict = train(activation, log_dir)
        found.append({"log": log_dir, "meant": meant, "accuracy": accuracy, **verdict.as_dict()})
        if is_text:
            chance = 1 / _CLASSES
            print(f"  {verdict.title}. Accuracy: {accuracy:.0%} (chance: {chance:.0%}).")
    if is_text:
        place, *logs = map(shlex.quote, [arguments.log_dir, *(one["log"] for one in found)])
        commands = (
            f"tensorboard --logdir {place}",
            *(f"vg-keras {name} {place}" for name in ("diagnose", "show", "report")),
            f"vg-keras compare {' '.join(reversed(logs))}",
        )
        print("\nTo look at them:", *map(printable, commands), sep="\n  ")
    else:
        print(json.dumps({"schema": SCHEMA, "trainings": found}, indent=2))
    return 0


def train(activation: str, log_dir: str) -> tuple[float, Verdict]:
    """Trains a network and returns its accuracy and the verdict.

    Args:
        activation: The activation of its hidden layers.
        log_dir: Where to write its log.

    Raises:
        ImportError: If Keras or TensorFlow is not installed.
    """
    from vg_keras import GradientMonitor  # explains what is missing

    import keras  # isort: skip

    keras.utils.set_random_seed(0)
    x, labels = _data()
    hidden = [
        keras.layers.Dense(_UNITS, activation, name=f"hidden_{number}")
        for number in range(1, _LAYERS + 1)
    ]
    output = keras.layers.Dense(_CLASSES, "softmax", name="output")
    model = keras.Sequential([keras.Input((_FEATURES,)), *hidden, output], name=activation)
    optimizer, loss = keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy"])
    monitor = GradientMonitor(log_dir, on_problem=None)
    model.fit(x, labels, epochs=5, verbose=0, callbacks=[monitor])
    accuracy = model.evaluate(x, labels, verbose=0, return_dict=True)["accuracy"]
    return float(accuracy), monitor.verdict


def _data() -> tuple[Any, Any]:
    """Returns examples of classes that a linear network can tell apart."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(_EXAMPLES, _FEATURES)).astype(np.float32)
    scores = x @ generator.normal(size=(_FEATURES, _CLASSES))
    return x, scores.argmax(axis=1)

"""Runs an experiment in its small form, in this process, as the command line would."""

import importlib
import json

import tensorflow as tf

from experiments.__main__ import main


def run_small(name, folder, *arguments):
    """Returns the contents of the small form's results.json; the figure is next to it."""
    small = importlib.import_module(f"experiments.{name}").SMALL
    data = ["--data=subset"] if any(option.startswith("--limit") for option in small) else []
    places = [f"--log-dir={folder}", f"--output={folder}"]
    # Without Grappler, as in the fixture `graphs_as_traced`: nothing here depends on the last bits.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    assert main([name, *small, "--jobs=1", "--quiet", *places, *data, *arguments]) == 0
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    if name != "cost":
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads((folder / "results.json").read_text())
    assert results["question"].endswith("?")
    return results

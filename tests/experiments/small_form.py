"""Runs an experiment in its small form, in this process, as the command line would."""

import importlib
import json

from experiments.common import command_line


def run_small(name, folder):
    """Returns the contents of the small form's results.json; the figures are next to it."""
    experiment = importlib.import_module(f"experiments.{name}")
    places = [f"--log-dir={folder}", f"--output={folder}"]
    data = ["--data=subset"] if "--limit=100" in experiment.SMALL else []
    assert command_line.main(name, [*experiment.SMALL, "--jobs=1", "--quiet", *places, *data]) == 0
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / f"{name}.svg").read_text()
    return json.loads((folder / "results.json").read_text())

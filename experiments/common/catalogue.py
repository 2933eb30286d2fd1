"""The list of experiments, in the order in which they are presented."""

import importlib
from pathlib import Path

EXPERIMENTS = (
    "sigmoid_vs_relu",
    "cs224d",
    "depth",
    "activations",
    "sensitivity",
    "initialization",
    "nielsen",
    "glorot",
    "mean_field",
    "remedies",
    "cures",
    "diagnosis_record",
)
"""Experiments that show a claim or reproduce a publication."""

BENCHMARKS = ("cost",)
"""Experiments that measure time, so they must run alone."""

FOLDER = Path(__file__).parents[1]
"""The folder of the experiments, each with its committed results."""


def question(name: str) -> str:
    """Returns the question of an experiment, the first line of its package."""
    return (importlib.import_module(f"experiments.{name}").__doc__ or "").partition("\n")[0]

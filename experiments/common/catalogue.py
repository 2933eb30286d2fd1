"""The list of experiments, in the order in which they are presented."""

from __future__ import annotations

import ast
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
)
"""Experiments that show a claim or reproduce a publication."""

BENCHMARKS = ("monitoring_cost", "real_models")
"""Experiments that measure time, and so must run alone."""

_FOLDER = Path(__file__).parents[1]


def question(name: str) -> str:
    """Returns the question of an experiment, the first line of its module, without importing it."""
    docstring = (
        ast.get_docstring(ast.parse((_FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
    )
    return docstring.partition("\n")[0]

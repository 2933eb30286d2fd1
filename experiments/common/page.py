"""One page with all results: every figure, number and claim, in one HTML file."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

NAME = "index.html"


def write(folders: Sequence[Path], output: Path, small: bool = False) -> Path:
    """Writes the page and returns its path.

    Args:
        folders: Folders of the experiments, each with results.json and the figures that it names.
        output: The folder that the page is written to.
        small: Whether the experiments ran in their small form, which the page then states.
    """
    experiments = []
    for folder in folders:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        figures = {name: _data_url(folder / f"{name}.svg") for name in results["figures"]}
        experiments.append({**results, "figures": figures, "tables": _tables(results["numbers"])})
    environment = Environment(
        loader=PackageLoader("experiments.common"), autoescape=True, trim_blocks=True
    )
    checks = [check for experiment in experiments for check in experiment["checks"]]
    text = environment.get_template("page.html").render(
        experiments=experiments,
        held=sum(check["held"] for check in checks),
        total=len(checks),
        small=small,
    )
    path = output / NAME
    path.write_text(text, encoding="utf-8")
    return path


def _data_url(path: Path) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _tables(numbers: Any, name: str = "") -> list[tuple[str, str]]:
    """Returns the numbers of results.json as rows of name and value."""
    if isinstance(numbers, dict):
        prefix = f"{name} › " if name else ""  # noqa: RUF001 - the sign that says "within"
        return [row for key, value in numbers.items() for row in _tables(value, prefix + key)]
    if isinstance(numbers, list) and any(isinstance(item, dict | list) for item in numbers):
        rows = [_tables(item, f"{name} [{i + 1}]") for i, item in enumerate(numbers)]
        return [row for some in rows for row in some]
    if isinstance(numbers, list):
        return [(name, ", ".join(map(_cell, numbers)))]
    return [(name, _cell(numbers))]


def _cell(value: Any) -> str:
    if value is None:
        return "not finite"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

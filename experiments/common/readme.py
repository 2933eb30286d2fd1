"""Writes the results of the experiments into experiments/README.md, from the committed files.

    python -m experiments.common.readme [--subset DIR]

Each experiment has results/NAME/results.json. Experiments on digits also have subset.json: the same
for the 5,000 installed digits, copied from DIR/NAME/results.json. A test checks that the README
matches these files.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from experiments.common.catalogue import EXPERIMENTS

FOLDER = Path(__file__).parents[1]
README = FOLDER / "README.md"
RESULTS = FOLDER / "results"
SUBSET_FILE = "subset.json"
BEGIN, END = "<!-- What follows is written by experiments/common/readme.py -->", "<!-- End -->"

_HEAD = """\
| claim or publication | published | ours | on the subset | band | held |
|---|---|---|---|---|---|"""


def generated() -> str:
    """Returns the text between the marks: a section for each experiment, then the table."""
    found = {name: _read(name, "results.json") for name in EXPERIMENTS}
    subset = {name: _read(name, SUBSET_FILE) for name in EXPERIMENTS}
    sections = [_section(results, subset[name]) for name, results in found.items() if results]
    rows = [
        row
        for name, results in found.items()
        if results
        for row in _rows(name, results["checks"], subset[name])
    ]
    checks = [check for results in found.values() if results for check in results["checks"]]
    held = sum(check["held"] for check in checks)
    table = "\n".join([_HEAD, *rows])
    return (
        "\n\n".join(sections)
        + f"\n\n## Every claim and published number\n\n{held} of {len(checks)} held. On the "
        "subset of 5,000 digits a cross marks what does not hold, and a band of its own stands in "
        "brackets.\n\n" + table
    )


def _read(name: str, file: str) -> dict[str, Any] | None:
    path = RESULTS / name / file
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _section(results: dict[str, Any], subset: dict[str, Any] | None) -> str:
    name = results["name"]
    figures = "\n\n".join(
        f"![{results['question']}](results/{name}/{figure}.png)" for figure in results["figures"]
    )
    on_subset = f"\n\nOn the 5,000-digit subset: {subset['answer']}" if subset else ""
    return (
        f"## {name}\n\n**{results['question']}** {results['answer']}{on_subset}\n\n"
        f"    python -m experiments.{name}\n\n{figures}"
    )


def _rows(name: str, checks: list[dict[str, Any]], subset: dict[str, Any] | None) -> list[str]:
    others = {check["what"]: check for check in subset["checks"]} if subset else {}
    rows = []
    for check in checks:
        other = others.get(check["what"])
        theirs = "" if other is None else other["printed"]
        if other and other["band"] != check["band"]:
            theirs += f" ({other['band']})"
        if other and not other["held"]:
            theirs += " ✗"
        cells = (
            f"**{name}**: {check['what']} ({check['source']})",
            check["published"],
            check["printed"],
            theirs,
            check["band"],
            "yes" if check["held"] else "**no**",
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def updated(text: str) -> str:
    """Returns the README with the text between the marks regenerated."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{generated()}\n\n{END}{after}"


def take_subset(folder: Path) -> None:
    """Copies the results of the experiments on digits from a folder of all results."""
    for name in EXPERIMENTS:
        path = folder / name / "results.json"
        if path.exists() and json.loads(path.read_text(encoding="utf-8"))["data"]:
            shutil.copyfile(path, RESULTS / name / SUBSET_FILE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subset", type=Path, metavar="DIR", help="results on the subset")
    if folder := parser.parse_args().subset:
        take_subset(folder)
    text = updated(README.read_text(encoding="utf-8"))
    README.write_text(text, encoding="utf-8", newline="\n")

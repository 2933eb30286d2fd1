"""Pages of results: a README.md in each experiment's folder, and one page of all for a browser.

`python -m experiments pages` writes them for the committed results; a test checks that they match.
An experiment on digits also has subset.json: its results on the 5,000 installed digits.
"""

import json
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from experiments.common.catalogue import EXPERIMENTS, FOLDER

README = FOLDER / "README.md"
SUBSET_FILE = "subset.json"
BEGIN, END = "<!-- Written by python -m experiments pages -->", "<!-- End -->"

_COLUMNS = ("claim", "source", "expected", "ours", "accepted range", "holds")
_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 0 auto; padding: 1.5rem }
h2 { margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1.5rem }
img { width: 100% }
table { border-collapse: collapse; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem }
tr { border-bottom: 1px solid #ddd }
pre { background: #f3f3f3; padding: .3rem .6rem }"""
_SMALL = "**These are small forms, to see that the experiments run. Their numbers say nothing.**"


def read(folder: Path, file: str = "results.json") -> dict[str, Any] | None:
    """Returns results from a folder, or None if there are none."""
    path = folder / file
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def page(results: dict[str, Any], subset: dict[str, Any] | None, figure: str = "") -> str:
    """Returns the page of one experiment in Markdown, also with its results on the subset, if any.

    The figure is in that folder, relative to the page.
    """
    name, question, table = results["name"], results["question"], results.get("table")
    columns = [*_COLUMNS, *(["on the subset"] if subset else [])]
    parts = [
        f"## {name}",
        f"**{question}** {results['answer']}",
        *([_findings(results, subset)] if subset else []),
        f"    python -m experiments {name}",
        f"![{question}]({figure}{name}.png)",
        *([_table(table[0], [row.values() for row in table])] if table else []),
        f"{_held(results)} claims and expected numbers hold.",
        _table(columns, _rows(results["checks"], subset)),
    ]
    return "\n\n".join(parts)


def _table(headings: Collection[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        for cells in (headings, *rows)
    ]
    return "\n".join([lines[0], "|---" * len(headings) + "|", *lines[1:]])


def _findings(results: dict[str, Any], subset: dict[str, Any]) -> str:
    """Returns what the answer would say on the subset, if it differs."""
    ours, others = results["findings"], subset["findings"]
    rows = [(name, others[name]) for name in ours if others[name] != ours[name]]
    if not rows:
        return "The answer on the subset of 5,000 digits is the same."
    return _table(("in the answer", "on the subset of 5,000 digits"), rows)


def _held(results: dict[str, Any]) -> str:
    return f"{sum(check['held'] for check in results['checks'])} of {len(results['checks'])}"


def _rows(checks: list[dict[str, Any]], subset: dict[str, Any] | None) -> list[list[str]]:
    others = {check["what"]: check for check in subset["checks"]} if subset else {}
    rows = []
    for check in checks:
        cells = [check[key] for key in ("what", "source", "expected", "printed", "band")]
        cells.append("yes" if check["held"] else "**no**")
        if other := others.get(check["what"]):
            of_its_own = f" (range {other['band']})" if other["band"] != check["band"] else ""
            cells.append(f"{other['printed']}{of_its_own}{'' if other['held'] else ' ✗'}")
        rows.append(cells)
    return rows


def updated(readme: str) -> str:
    """Returns experiments/README.md with its table of all committed results regenerated."""
    rows = [
        (f"[{name}]({name}/README.md)", results["question"], _held(results))
        for name in EXPERIMENTS
        if (results := read(FOLDER / name))
    ]
    table = _table(("experiment", "question", "claims and numbers that hold"), rows)
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}"


def write(subset: Path | None = None) -> None:
    """Writes the pages of the committed results; those on the subset are copied from a folder."""
    for name in EXPERIMENTS:
        if subset and (found := read(subset / name)) and found["data"]:
            shutil.copyfile(subset / name / "results.json", FOLDER / name / SUBSET_FILE)
        if results := read(FOLDER / name):
            text = page(results, read(FOLDER / name, SUBSET_FILE))[1:] + "\n"  # the only heading
            (FOLDER / name / "README.md").write_text(text, encoding="utf-8", newline="\n")
    text = updated(README.read_text(encoding="utf-8"))
    README.write_text(text, encoding="utf-8", newline="\n")


def write_html(folders: Sequence[Path], output: Path, small: bool) -> Path:
    """Writes one page of the results in some folders within `output`, and returns its path.

    The page states whether the experiments ran in their small form.
    """
    found = [read(folder) for folder in folders]
    pages = [page(results, None, f"{results['name']}/") for results in found if results]
    text = "\n\n".join(["# How gradients flow: results", *([_SMALL] if small else []), *pages])
    body = MarkdownIt("commonmark").enable("table").render(text)
    path = output / "index.html"
    path.write_text(
        '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>How gradients flow: results</title>\n<style>\n{_STYLE}\n</style>\n{body}</html>\n",
        encoding="utf-8",
    )
    return path

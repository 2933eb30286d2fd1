"""Writes the results of an experiment: the figure as PNG, everything else as results.json."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.catalogue import question
from experiments.common.outcome import Outcome
from experiments.common.session import Session, versions

DPI = 150
FILE = "results.json"


def save(outcome: Outcome, session: Session, folder: Path) -> None:
    """Writes the figure and results.json into an existing folder."""
    if outcome.figure is not None:
        outcome.figure.savefig(folder / f"{session.name}.png", dpi=DPI)
    text = json.dumps(_plain(_content(outcome, session)), indent=1, allow_nan=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8", newline="\n")


def _content(outcome: Outcome, session: Session) -> dict[str, Any]:
    data = session.work.data
    return {
        "name": session.name,
        "question": question(session.name),
        "answer": outcome.answered,
        "findings": outcome.findings,
        "settings": outcome.settings,
        "data": data
        and {
            "name": data.name,
            "source": data.source,
            "training_images": len(data.x_train),
            "test_images": len(data.x_test),
        },
        "device": session.device,
        "versions": versions(),
        "seconds_of_all_runs": round(sum(session.seconds), 1),
        "checks": [
            {
                name: getattr(check, name)
                for name in ("what", "source", "expected", "ours", "printed", "band", "held")
            }
            for check in outcome.checks
        ],
        **({"table": outcome.table} if outcome.table else {}),
        "numbers": outcome.numbers,
    }


def _plain(value: Any) -> Any:
    """Converts a value to JSON types; a number that is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value

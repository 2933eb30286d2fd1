"""Writes the results of an experiment: figures as PNG and SVG, everything else as results.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from experiments.common.outcome import Check, Outcome
from experiments.common.session import Session, versions

DPI = 150


def save(outcome: Outcome, session: Session, folder: Path) -> None:
    """Writes figures and results.json into an existing folder."""
    # Equal figures give identical files, so that the git history shows real changes only.
    with mpl.rc_context({"svg.hashsalt": "vg_keras"}):
        for name, figure in outcome.figures.items():
            figure.savefig(folder / f"{name}.png", dpi=DPI)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    text = json.dumps(_plain(results(outcome, session)), indent=1, allow_nan=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def results(outcome: Outcome, session: Session) -> dict[str, Any]:
    """Returns the content of results.json."""
    question = (session.experiment.__doc__ or "").partition("\n")[0]
    data = session.data
    return {
        "name": session.name,
        "question": question,
        "answer": outcome.answer,
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
        "figures": list(outcome.figures),
        "checks": [as_json(check) for check in outcome.checks],
        "numbers": outcome.numbers,
    }


def as_json(check: Check) -> dict[str, Any]:
    """Returns a check in the format of results.json."""
    return {
        "what": check.what,
        "source": check.source,
        "published": check.published,
        "ours": check.ours,
        "printed": check.printed,
        "band": check.band,
        "held": check.held,
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

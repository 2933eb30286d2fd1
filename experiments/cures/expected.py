"""What the experiment on cures is expected to show."""

import math
from typing import Any

from experiments.common.outcome import Check

GOAL = 0.8
"""Fraction of sick networks that the first advice is to cure. The goal is ours."""

_SOURCE = "vg_keras.rules.Diagnosis: its advice, the most promising first"


def checks(table: dict[str, dict[str, Any]]) -> list[Check]:
    """Compares the fraction of cured networks with the goal, in total and by kind of sickness."""
    return [
        Check(
            f"{'all kinds of sickness' if code == 'all' else code}: cured by the first advice, %",
            _SOURCE,
            "most are cured",
            100 * row["cured by the first advice"] / row["cases"] if row["cases"] else math.nan,
            100 * GOAL,
            form=".0f",
        )
        for code, row in sorted(table.items(), key=lambda item: item[0] != "all")
    ]

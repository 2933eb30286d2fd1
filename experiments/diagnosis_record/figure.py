"""Draws recall against false alarms, ours and published, and what is said of each kind of fault."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments.common.style import finish
from experiments.diagnosis_record.expected import FALSE_ALARMS, RECALL
from experiments.diagnosis_record.judgement import RULE_OF, Rate

OURS = "vg_keras"
STYLES: dict[str, dict[str, Any]] = {
    OURS: {"color": "#D55E00", "marker": "*", "markersize": 15},
    "AutoTrainer": {"color": "#0072B2", "marker": "o"},
    "DeepDiagnosis": {"color": "#009E73", "marker": "^"},
    "TheDeepChecker": {"color": "#CC79A7", "marker": "D"},
    "SageMaker": {"color": "#000000", "marker": "s"},
    "DEFault": {"color": "#E69F00", "marker": "v"},
}
"""Okabe and Ito's colors, each with its own marker."""

Summary = Mapping[str, Any]


def draw(rates: Summary, title: str) -> Figure:
    """Draws both panels from the result of `judgement.summary`."""
    figure = Figure(figsize=(14, 6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.1])
    _rates(left, {OURS: rates["together"], **rates["published"]})
    _confusion(right, rates["confusion"])
    return figure


def _rates(axes: Axes, systems: Mapping[str, Mapping[str, Rate]]) -> None:
    corner, height = (0, 100 * RECALL), 100 * (1 - RECALL)
    goal = f"goal: at least {RECALL:.0%} and at most {FALSE_ALARMS:.0%}"
    axes.add_patch(Rectangle(corner, 100 * FALSE_ALARMS, height, color="#888888", label=goal))
    for system, rates in systems.items():
        x, y = rates["false_alarms"], rates["recall"]
        axes.errorbar(
            100 * x.value,
            100 * y.value,
            xerr=_bars(x),
            yerr=_bars(y),
            label=f"{system}: {percent(y)} found, {percent(x)} flagged",
            linestyle="",
            elinewidth=1,
            capsize=2,
            **STYLES[system],
        )
    axes.set(
        xlabel="healthy runs that are flagged, %",
        ylabel="sick runs that are found, by a rule of the right kind, %",
        xlim=(-2, 102),
        ylim=(-2, 104),
    )
    finish(axes, "Vanishing, exploding, dead and non-finite (bars: 95% confidence)")


def _bars(rate: Rate) -> list[list[float]]:
    """Returns the lengths of the two error bars in percent."""
    if not rate.number:
        return [[0.0], [0.0]]
    low, high = rate.interval
    return [[100 * max(0.0, rate.value - low)], [100 * max(0.0, high - rate.value)]]


def _confusion(axes: Axes, counts: Mapping[str, Mapping[str, int]]) -> None:
    columns = [*RULE_OF.values(), "none"]
    table = np.array([[counts[kind].get(code, 0) for code in columns] for kind in counts])
    fractions = table / np.maximum(table.sum(1, keepdims=True), 1)
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for row, column in np.argwhere(table):
        color = "white" if fractions[row, column] > 0.6 else "black"
        axes.text(column, row, table[row, column], ha="center", va="center", color=color)
    for place in range(len(columns)):
        corner = (place - 0.5, place - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="#D55E00", linewidth=2))
    axes.set_xticks(range(len(columns)), [*RULE_OF.values(), "nothing"], fontsize=9)
    rows = [
        f"{kind} ({RULE_OF[kind]})" if kind in RULE_OF else f"{kind} (nothing)" for kind in counts
    ]
    axes.set_yticks(range(len(counts)), rows, fontsize=9)
    axes.set(xlabel="most serious diagnosis", ylabel="planted fault, and the rule made for it")
    axes.set_title(
        "What the rules say of each run (number of runs; framed: as planted)", fontsize=11
    )


def percent(rate: Rate) -> str:
    """Returns a rate in percent, or "-" if there are no runs."""
    return f"{rate.value:.0%}" if math.isfinite(rate.value) else "-"

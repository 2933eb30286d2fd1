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


def draw(held_out: Summary, title: str) -> Figure:
    """Draws both panels from the half that was held out."""
    figure = Figure(figsize=(13, 5.8), layout="constrained")
    figure.suptitle(title, fontsize=11)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    _rates(left, {OURS: held_out["together"], **held_out["published"]})
    _confusion(right, held_out["confusion"])
    return figure


def _rates(axes: Axes, systems: Mapping[str, Mapping[str, Rate]]) -> None:
    corner = (0, 100 * RECALL)
    width, height = 100 * FALSE_ALARMS, 100 * (1 - RECALL)
    axes.add_patch(Rectangle(corner, width, height, color="#999999", alpha=0.5, lw=0, label="goal"))
    for system, rates in systems.items():
        x, y = rates["false_alarms"], rates["recall"]
        axes.errorbar(
            100 * x.value,
            100 * y.value,
            xerr=_bars(x),
            yerr=_bars(y),
            label=system,
            linestyle="",
            elinewidth=1,
            capsize=2,
            **STYLES[system],
        )
    axes.set(
        xlabel="healthy runs that are flagged, %",
        ylabel="sick runs that are found, as the right kind, %",
        xlim=(-2, 102),
        ylim=(-2, 102),
    )
    finish(axes, "Vanishing, exploding, dead and non-finite\n(bars: 95% confidence)")


def _bars(rate: Rate) -> list[list[float]]:
    """Returns the lengths of the two error bars in percent."""
    if not rate.number:
        return [[0.0], [0.0]]
    low, high = rate.interval
    return [[100 * max(0.0, rate.value - low)], [100 * max(0.0, high - rate.value)]]


def _confusion(axes: Axes, counts: Mapping[str, Mapping[str, int]]) -> None:
    columns = [*RULE_OF.values(), "none"]
    table = np.array([[counts[kind].get(code, 0) for code in columns] for kind in counts])
    sums = np.maximum(table.sum(1, keepdims=True), 1)
    axes.imshow(table / sums, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
    for row, column in np.argwhere(table):
        is_right = column == row
        text = str(table[row, column])
        axes.text(
            column, row, text, ha="center", va="center", weight="bold" if is_right else "normal"
        )
    for place in range(len(columns)):
        axes.add_patch(Rectangle((place - 0.5, place - 0.5), 1, 1, fill=False, edgecolor="#D55E00"))
    rules = [f"{code}\n{kind.replace(' ', chr(10))}" for kind, code in RULE_OF.items()]
    axes.set_xticks(range(len(columns)), [*rules, "nothing"], fontsize=8, rotation=35, ha="right")
    axes.set_yticks(
        range(len(counts)),
        [f"{kind} ({sum(counts[kind].values())})" for kind in counts],
        fontsize=9,
    )
    axes.set(xlabel="the most serious diagnosis", ylabel="planted fault (number of runs)")
    axes.set_title("What is said of each run (framed: right)", fontsize=11)


def percent(rate: Rate) -> str:
    """Returns a rate in percent, or "-" if there are no runs."""
    return f"{rate.value:.0%}" if math.isfinite(rate.value) else "-"

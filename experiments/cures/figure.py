"""Draws how often advice cures, by kind of sickness."""

from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.common.style import finish
from experiments.cures.expected import GOAL
from vg_keras.rules import RULES

_FIRST, _OTHER, _NONE = "#0072B2", "#56B4E9", "#D9D9D9"
"""Okabe and Ito's dark and light blue, and gray: they differ in lightness too."""


def draw(table: dict[str, dict[str, Any]]) -> Figure:
    """Draws a bar per kind of sickness: cured by the first advice, by another one, not cured."""
    names = {rule.code: f"{rule.name}  {rule.code}" for rule in RULES} | {"all": "all"}
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    for code, row in table.items():
        number = row["cases"]
        first = 100 * row["cured by the first advice"] / number
        either = 100 * row["cured by any advice"] / number
        label = names[code]
        axes.barh(label, 100, 0.65, color=_NONE, zorder=2)
        axes.barh(label, either, 0.65, color=_OTHER, zorder=2)
        axes.barh(label, first, 0.65, color=_FIRST, zorder=2)
        text = f"{row['cured by the first advice']} of {number}"
        axes.annotate(text, (102, label), va="center", fontsize=10)
    axes.axvline(100 * GOAL, color="black", linestyle="--", linewidth=1.2, zorder=3)
    axes.invert_yaxis()
    axes.set(xlabel="networks with this planted fault, %", xlim=(0, 116), xticks=range(0, 101, 20))
    finish(axes, "How often the first advice cures a sick network", legend=False)
    handles: list[Artist] = [
        Patch(color=color, label=label)
        for color, label in (
            (_FIRST, "cured by the first advice"),
            (_OTHER, "cured by another advice only"),
            (_NONE, "not cured"),
        )
    ]
    handles += axes.plot([], [], "k--", label=f"goal: {GOAL:.0%}")
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure

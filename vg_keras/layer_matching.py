"""Matches the layers of several models, so that their values can be compared layer by layer.

Layers are matched by name as far as the order of the layers allows, otherwise by position.
"""

from __future__ import annotations

from collections.abc import Sequence

from vg_keras.log.chart_names import without_position


def matched(models: Sequence[Sequence[str]]) -> tuple[list[list[int]], list[bool]]:
    """Gives each layer of each model a depth, the same for layers that match.

    Args:
        models: The names of the layers of each model, from the input to the output. The other
            models are matched with the one that has the most layers.

    Returns:
        For each model, the depth of each of its layers, ascending; and whether all of its layers
        were matched by name. Layers that are matched with none have a depth of their own.

    Example:
        >>> matched([["dense", "dense", "dense"], ["dense", "batch_norm", "dense", "dense"]])
        ([[0, 2, 3], [0, 1, 2, 3]], [True, True])
    """
    if not models:
        return [], []
    longest = max(models, key=len)
    pairs = [_paired(longest, names) for names in models]
    # Between two layers of the longest model, room for the most unmatched ones of any other.
    room = [max(len(gap) for gap in gaps) for gaps in zip(*(p.gaps for p in pairs), strict=True)]
    depth, place = [], 0
    for number in range(len(longest) + 1):
        place += room[number]
        depth.append(place)
        place += 1
    depths = []
    for names, pair in zip(models, pairs, strict=True):
        of_model = {own: depth[other] for own, other in pair.partners.items()}
        for number, gap in enumerate(pair.gaps):
            of_model |= {own: depth[number] - len(gap) + i for i, own in enumerate(gap)}
        depths.append([of_model[own] for own in range(len(names))])
    return depths, [pair.is_by_name for pair in pairs]


def matched_layers(labels: Sequence[Sequence[str]]) -> tuple[list[list[int]], list[bool]]:
    """Gives each layer of each model a depth, as `matched` does.

    Args:
        labels: The names in charts of the layers of each model. Their positions are ignored.
    """
    return matched([[without_position(label) for label in of] for of in labels])


class _Paired:
    """How the layers of a model are matched with those of the longest one.

    Attributes:
        partners: The number of the matching layer of the longest model, by own number.
        gaps: For each layer of the longest model, and for its end, the own numbers of the unmatched
            layers before it.
        is_by_name: Whether no layer was matched by position.
    """

    def __init__(self, num_longest: int) -> None:
        self.partners: dict[int, int] = {}
        self.gaps: list[list[int]] = [[] for _ in range(num_longest + 1)]
        self.is_by_name = True


_RENAMED, _EXTRA = 3, 2
"""Cost of matching two layers of different names, and of matching a layer with none. One renamed
layer is cheaper than a missing and an extra one; two are not, if the others keep a name together.
"""


def _paired(longest: Sequence[str], names: Sequence[str]) -> _Paired:
    """Matches a model with the longest one at the lowest cost."""
    found = _Paired(len(longest))
    if longest == names:  # as usual; what follows takes a second for 1,000 layers
        found.partners = {number: number for number in range(len(names))}
        return found
    costs = _costs(longest, names)
    own = other = 0
    while own < len(names):
        cost = costs[own][other]
        if other < len(longest) and cost == costs[own + 1][other + 1] + _cost(
            names[own], longest[other]
        ):
            found.partners[own] = other
            found.is_by_name &= names[own] == longest[other]
            own, other = own + 1, other + 1
        elif cost == costs[own + 1][other] + _EXTRA:
            found.gaps[other].append(own)
            own += 1
        else:
            other += 1
    return found


def _costs(longest: Sequence[str], names: Sequence[str]) -> list[list[int]]:
    """Returns the lowest costs of matching all ends of `names` (rows) and `longest` (columns)."""
    rows = [[_EXTRA * number for number in range(len(longest), -1, -1)]]
    for name in reversed(names):
        below, row = rows[-1], [rows[-1][-1] + _EXTRA]
        for other in range(len(longest) - 1, -1, -1):
            paired = below[other + 1] + _cost(name, longest[other])
            row.append(min(paired, below[other] + _EXTRA, row[-1] + _EXTRA))
        rows.append(row[::-1])
    return rows[::-1]


def _cost(name: str, other: str) -> int:
    return 0 if name == other else _RENAMED

"""Whether a network is sick, and whether an advice has cured it: by what it has learned.

No rule of `vg_keras` takes part in it.
"""

import math
from dataclasses import dataclass

ENOUGH = 0.5
"""Part of the gap that must be closed."""

_SICK = 1.5
"""Factor by which the outcome of a sick network is worse than that of its twin, at least."""

_FLOOR = 1e-3
"""Outcome that is as good as any better one."""


@dataclass(frozen=True)
class Gap:
    """The gap between a sick network and its healthy twin.

    An outcome that is worse than the best constant prediction counts as that, so that a network
    which has diverged is not cured by learning nothing instead.

    Args:
        sick: The outcome of the sick network; lower is better.
        healthy: That of its twin.
        guess: That of the best constant prediction.
    """

    sick: float
    healthy: float
    guess: float

    @property
    def is_sick(self) -> bool:
        """Whether the sick network has learned less than its twin."""
        return self._top > _SICK * self._bottom

    def closed(self, outcome: float) -> float:
        """Returns the part of the gap that an outcome closes, on a logarithmic scale.

        0 is as bad as the sick network and 1 as good as its twin; it may be less or more.
        """
        if math.isinf(outcome):
            return -math.inf
        top, bottom = math.log(self._top), math.log(self._bottom)
        return (top - math.log(max(outcome, _FLOOR))) / (top - bottom)

    def is_cured(self, outcome: float) -> bool:
        """Whether an outcome closes enough of the gap."""
        return self.closed(outcome) >= ENOUGH

    @property
    def _top(self) -> float:
        return max(min(self.sick, self.guess), _FLOOR)

    @property
    def _bottom(self) -> float:
        return max(self.healthy, _FLOOR)

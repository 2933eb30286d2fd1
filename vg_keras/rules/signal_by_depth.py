"""How the backpropagated signal changes from the last hidden layer to the first.

Shared by the rules on vanishing and on exploding gradients, which look at its two ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vg_keras.record import Record


@dataclass(frozen=True)
class SignalByDepth:
    """The L2 norm of dL/d(output) of the hidden layers of one record.

    The norm rather than the root mean square, because it does not depend on a layer's width.

    Args:
        paths: The hidden layers, from the input to the output.
        norms: Their norms. All are finite.
    """

    paths: tuple[str, ...]
    norms: tuple[float, ...]

    @classmethod
    def of(cls, record: Record, hidden: list[str]) -> SignalByDepth | None:
        """Reads a record; None if fewer than two hidden layers are recorded, or one is not finite.

        Args:
            record: The record.
            hidden: The paths of the hidden layers, from the input to the output.
        """
        gradients = record.activation_gradients
        paths = tuple(path for path in hidden if path in gradients)
        norms = tuple(gradients[path].norm for path in paths)
        if len(norms) < 2 or not all(map(math.isfinite, norms)):
            return None
        return cls(paths, norms)

    @property
    def decades(self) -> float:
        """Powers of ten by which the norm shrinks from the last hidden layer to the first.

        Negative if it grows, infinite if nothing is left of it at the first layer, and NaN if there
        is no signal at the last hidden layer either.
        """
        first, last = self.norms[0], self.norms[-1]
        if first > 0 and last > 0:
            return math.log10(last) - math.log10(first)
        return math.inf if last > 0 else math.nan

    @property
    def factor_per_layer(self) -> float:
        """The geometric mean of the factors by which each layer multiplies the norm."""
        return float(10 ** (-self.decades / (len(self.norms) - 1)))

    @property
    def change(self) -> str:
        """In words, how many times the norm shrinks or grows from the last layer to the first."""
        if math.isinf(self.decades):
            return "to nothing"
        decades = abs(self.decades)
        return f"{10**decades:,.0f}-fold" if decades < 6 else f"1e{decades:.0f}-fold"

    def beyond(self, factor: float) -> tuple[str, ...]:
        """Returns the layers whose norm differs from the last one's by more than a factor.

        Args:
            factor: Below 1 for layers whose norm is smaller, above 1 for those where it is larger.
        """
        limit = factor * self.norms[-1]
        return tuple(
            path
            for path, norm in zip(self.paths, self.norms, strict=True)
            if (norm < limit if factor < 1 else norm > limit)
        )

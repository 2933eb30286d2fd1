"""The calls of layers in a step, and by which losses their outputs were differentiated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import tensorflow as tf


@dataclass(eq=False)
class Derivative:
    """A loss's derivative by what a layer has put out.

    Args:
        tensor: The derivative.
        by_logits: Whether it is that by the logits of which a softmax or sigmoid output was made:
            where Keras computes a loss from these, there is none by the output.
        number: When it came, counted through the step.
    """

    tensor: tf.Tensor
    by_logits: bool
    number: int


@dataclass(eq=False)
class Call:
    """One call of a layer.

    Args:
        value: Its output, the first one where it has several.
        derivatives: One for each time that a loss was differentiated by it.
        gradient: The one of them that belongs to the gradients that an optimizer is handed.
    """

    value: tf.Tensor
    derivatives: list[Derivative] = field(default_factory=list)
    gradient: tf.Tensor | None = None

    @property
    def number(self) -> int:
        """When the last derivative came, or -1."""
        return self.derivatives[-1].number if self.derivatives else -1

    @property
    def is_ambiguous(self) -> bool:
        """Tells whether more than one loss was differentiated by it."""
        kinds = [derivative.by_logits for derivative in self.derivatives]
        return len(kinds) > len(set(kinds))

    def choose(self, reached: set[int] | None) -> None:
        """Chooses among the derivatives: of those reached the last one, by the logits if it is."""
        known = [d for d in self.derivatives if reached is None or id(d.tensor) in reached]
        known = known or self.derivatives
        if known:
            last = max(known, key=lambda derivative: (derivative.by_logits, derivative.number))
            self.gradient = last.tensor


def tensors_behind(gradients: Sequence[tf.Tensor]) -> set[int]:
    """Returns the ids of all tensors of a graph that others are computed from."""
    behind: set[int] = set()
    ahead = list(gradients)
    while ahead:
        tensor = ahead.pop()
        if id(tensor) not in behind:
            behind.add(id(tensor))
            ahead.extend(tensor.op.inputs)
    return behind

"""The calls of layers and the backward passes of one step, and which belong together.

`taps.py` notes the calls, and `tape.py` fills in their derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf


@dataclass(eq=False)
class Call:
    """One call of a layer.

    Args:
        value: The output: its first floating-point or complex tensor if it has several, the flat
            values if it is ragged or sparse.
        logits: The tensor that a softmax or sigmoid output was computed from, or None. Keras
            computes a cross-entropy from the logits, bypassing the output.
        number: Position of the call among the calls and backward passes of the step.
        examples: Number of examples, a scalar, if it can't be derived from `value`.
        gradient: dL/d(output) of the loss whose gradients the optimizer received, or None.
    """

    value: tf.Tensor
    logits: tf.Tensor | None = None
    number: int = 0
    examples: tf.Tensor | None = None
    gradient: tf.Tensor | tf.IndexedSlices | None = None

    @property
    def loss_takes_logits(self) -> bool:
        """Whether the loss was computed from the logits, given that it depends on them."""
        if self.logits is None or tf.executing_eagerly():
            return True  # eagerly, `logits` is a tensor that only a loss uses
        return any(consumer is not self.value.op for consumer in self.logits.consumers())


@dataclass(eq=False)
class BackwardPass:
    """One call of `tf.GradientTape.gradient`, with the additional derivatives it computes.

    Args:
        calls: The calls whose outputs are differentiated by.
        penalties: The values that regularizers returned, each with the id of its variable.
        number: Position of the start of the pass among the calls and passes of the step.
    """

    calls: list[Call]
    penalties: list[tuple[int, tf.Tensor]]
    number: int
    targets: list[tf.Tensor] = field(default_factory=list)
    results: list[tf.Tensor] = field(default_factory=list)
    by_output: dict[int, Any] = field(default_factory=dict)
    by_logits: dict[int, Any] = field(default_factory=dict)
    """The derivatives by output and by logits, each by the id of the call."""
    by_penalty: list[tuple[int, tf.Tensor]] = field(default_factory=list)
    ambiguous: set[int] = field(default_factory=set)
    """The ids of calls that were differentiated more than once within the pass."""
    lineage: tf.GradientTape | None = None
    """In eager mode, a tape that watches the results and so tracks what is computed from them."""

    @property
    def tensors(self) -> list[tf.Tensor]:
        """The additional sources of the tape: outputs, logits and penalties."""
        logits = [call.logits for call in self.calls if call.logits is not None]
        return [call.value for call in self.calls] + logits + [p for _, p in self.penalties]

    def receive(self, derivatives: Sequence[Any]) -> None:
        """Takes the derivatives by `tensors`, in the same order; None if unconnected."""
        rest = iter(derivatives)
        with_logits = [call for call in self.calls if call.logits is not None]
        by_output = {id(call): next(rest) for call in self.calls}
        by_logits = {id(call): next(rest) for call in with_logits}
        penalties = [(key, next(rest)) for key, _ in self.penalties]
        self.by_output |= {key: d for key, d in by_output.items() if d is not None}
        self.by_logits |= {key: d for key, d in by_logits.items() if d is not None}
        self.by_penalty += [(key, d) for key, d in penalties if d is not None]

    def finish(self, targets: list[tf.Tensor], results: Sequence[Any]) -> None:
        """Takes the differentiated tensors and the results that the caller of the tape gets."""
        self.targets = targets
        self.results = [_dense_part(result) for result in results if result is not None]
        if tf.executing_eagerly() and self.results:
            self.lineage = tf.GradientTape(persistent=True, watch_accessed_variables=False)
            self.lineage.__enter__()
            for result in self.results:
                self.lineage.watch(result)

    def derivative(self, call: Call) -> Any:
        """Returns dL/d(output) of a call, or None.

        If the loss was computed from the logits of the output, this is dL/d(logits).
        """
        by_output, by_logits = self.by_output.get(id(call)), self.by_logits.get(id(call))
        takes_logits = by_logits is not None and (by_output is None or call.loss_takes_logits)
        return by_logits if takes_logits else by_output

    def include(self, inner: BackwardPass) -> None:
        """Adds the derivatives of a pass nested in this one."""
        for own, found in ((self.by_output, inner.by_output), (self.by_logits, inner.by_logits)):
            self.ambiguous |= own.keys() & found.keys()
            own |= found
        self.by_penalty += inner.by_penalty

    def leads_to(self, tensors: Sequence[tf.Tensor]) -> bool:
        """Whether any of these eager tensors was computed from the results."""
        results = {id(result) for result in self.results}
        if any(id(tensor) in results for tensor in tensors):
            return True
        if self.lineage is None:
            return False
        with self.lineage.stop_recording():
            found = self.lineage.gradient(list(tensors), self.results)
        return any(gradient is not None for gradient in found)

    def close(self) -> None:
        """Stops tracking what is computed from the results."""
        lineage, self.lineage = self.lineage, None
        if lineage is not None:
            # A replica's thread has its own stack of tapes, which is gone when the thread ends.
            with suppress(ValueError):
                lineage.__exit__(None, None, None)


def passes_behind(
    gradients: Sequence[tf.Tensor], passes: Sequence[BackwardPass]
) -> list[BackwardPass]:
    """Returns the backward passes whose results these gradients were computed from.

    In a graph, the gradients are followed back to the first result on each path: anything behind
    that (the inner pass of a gradient penalty or of a meta-learner) contributed to the loss, not to
    the gradient. In eager mode, a tensor is either a result or was computed from one, which the
    `lineage` of that pass tracks.

    Args:
        gradients: The gradients that an optimizer received; of IndexedSlices, the values.
        passes: The backward passes of the step in this graph.
    """
    if tf.executing_eagerly():
        direct = {id(tensor) for tensor in gradients}
        known = [p for p in passes if direct & {id(result) for result in p.results}]
        return known or [p for p in passes if p.leads_to(gradients)]
    pass_of = {id(result): p for p in passes for result in p.results}
    found: dict[int, BackwardPass] = {}
    seen: set[int] = set()
    ahead = list(gradients)
    while ahead:
        tensor = ahead.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if id(tensor) in pass_of:
            found[id(pass_of[id(tensor)])] = pass_of[id(tensor)]
        else:
            ahead.extend(_inputs(tensor))
    return [p for p in passes if id(p) in found]


def tensors_behind(tensors: Sequence[tf.Tensor]) -> set[int]:
    """Returns the ids of the given graph tensors and all tensors they are computed from."""
    behind: set[int] = set()
    ahead = list(tensors)
    while ahead:
        tensor = ahead.pop()
        if id(tensor) not in behind:
            behind.add(id(tensor))
            ahead.extend(_inputs(tensor))
    return behind


def _inputs(tensor: tf.Tensor) -> Sequence[tf.Tensor]:
    """Returns the inputs of a tensor; for a captured tensor in a `tf.cond`, the outer tensor."""
    if tensor.op.type == "Placeholder":
        captures = getattr(tensor.graph, "captures", ())
        return [outer for outer, inner in captures if inner is tensor and _is_symbolic(outer)]
    return tensor.op.inputs


def _is_symbolic(tensor: tf.Tensor) -> bool:
    return not isinstance(tensor, tf.__internal__.EagerTensor)


def _dense_part(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient

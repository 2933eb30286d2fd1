"""Adds sources to the calls of `tf.GradientTape.gradient`, in the same backward pass.

The tape differentiates a target by any number of sources in one pass, and computes the derivatives
by everything in between anyway. So adding the outputs of layers as sources adds no operation to the
graph and does not change the caller's results.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol

import tensorflow as tf

from vg_keras.capture.calls import BackwardPass
from vg_keras.capture.patches import Method, SharedMethod


class TapeListener(Protocol):
    """Interface of a listener that wants derivatives by tensors it has noted."""

    def begin_pass(self) -> BackwardPass | None:
        """Called before a tape differentiates. Returns the pass to fill in, or None."""

    def end_pass(self, backward: BackwardPass) -> None:
        """Called afterwards, with the derivatives filled in."""

    def abandon_pass(self, backward: BackwardPass) -> None:
        """Called if the tape has raised an error."""

    def guarded(self) -> AbstractContextManager[None]:
        """Keeps errors of the listener from the caller of the tape."""


@contextmanager
def listening_to_tapes(listener: TapeListener) -> Iterator[None]:
    """Adds a listener to every backward pass of the `with` block, in any thread."""
    with ExitStack() as stack:
        for method in _METHODS:
            stack.enter_context(method.listened_to_by(listener))
        yield


def _asking(
    original: Method, listeners: list[TapeListener], target: str, sources: str, packs: bool
) -> Method:
    """Returns a differentiating function that also differentiates by what the listeners want.

    Args:
        original: The function.
        listeners: The live list of listeners.
        target: The name of its argument for the differentiated tensors.
        sources: The name of its argument for the sources.
        packs: Whether it returns the structure of its sources instead of a list.
    """
    signature = inspect.signature(original)

    @tf.autograph.experimental.do_not_convert
    @functools.wraps(original)
    def asking(*args: Any, **kwargs: Any) -> Any:
        passes = _begin_passes(listeners)
        if not passes:
            return original(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        targets, own_sources = _tensors(bound.arguments[target]), bound.arguments[sources]
        others = [tensor for _, backward in passes for tensor in backward.tensors]
        try:
            results, found = _differentiated(original, bound, sources, others)
        except BaseException:
            for listener, backward in passes:
                listener.abandon_pass(backward)
            raise
        rest = iter(found)
        for listener, backward in passes:
            derivatives = [next(rest) for _ in backward.tensors]
            with listener.guarded():
                backward.receive(derivatives)
                backward.finish(targets, results)
                listener.end_pass(backward)
        return tf.nest.pack_sequence_as(own_sources, results) if packs else results

    return asking


def _begin_passes(listeners: list[TapeListener]) -> list[tuple[TapeListener, BackwardPass]]:
    passes = []
    for listener in list(listeners):
        with listener.guarded():
            backward = listener.begin_pass()
            if backward is not None:
                passes.append((listener, backward))
    return passes


def _differentiated(
    original: Method, bound: inspect.BoundArguments, sources: str, others: list[tf.Tensor]
) -> tuple[list[Any], list[Any]]:
    """Calls a differentiating function with additional sources.

    Returns:
        The derivatives by the caller's sources, flattened, and those by the additional ones.
    """
    flat = tf.nest.flatten(bound.arguments[sources])
    unconnected = bound.arguments.get("unconnected_gradients", tf.UnconnectedGradients.NONE)
    fills = tf.UnconnectedGradients(unconnected) is tf.UnconnectedGradients.ZERO
    if fills:  # unconnected additional sources must stay recognizable
        bound.arguments["unconnected_gradients"] = tf.UnconnectedGradients.NONE
    bound.arguments[sources] = [*flat, *others]
    derivatives = list(original(*bound.args, **bound.kwargs))
    results = derivatives[: len(flat)]
    if fills:
        pairs = zip(flat, results, strict=True)
        results = [tf.zeros_like(source) if d is None else d for source, d in pairs]
    return results, derivatives[len(flat) :]


def _tensors(structure: Any) -> list[tf.Tensor]:
    return [tensor for tensor in tf.nest.flatten(structure) if isinstance(tensor, tf.Tensor)]


_METHODS: list[SharedMethod[TapeListener]] = [
    SharedMethod(
        tf.GradientTape,
        "gradient",
        functools.partial(_asking, target="target", sources="sources", packs=True),
    ),
    SharedMethod(
        tf, "gradients", functools.partial(_asking, target="ys", sources="xs", packs=False)
    ),
]

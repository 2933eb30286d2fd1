"""Asks a `tf.GradientTape` for more than its caller wants, in the same backward pass.

The tape differentiates one target by any number of sources in one pass, and what lies between is
computed on the way in any case. So asking for the outputs of layers too adds no operation to the
graph, and changes none of what the caller gets.
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
    """Wants derivatives by tensors that it has noted."""

    def begin_pass(self) -> BackwardPass | None:
        """Is called before a tape differentiates; returns what to ask of it, or None."""

    def end_pass(self, backward: BackwardPass) -> None:
        """Is called afterwards, with the answers."""

    def abandon_pass(self, backward: BackwardPass) -> None:
        """Is called where the tape has raised an error."""

    def guarded(self) -> AbstractContextManager[None]:
        """Keeps an error of the listener from the caller of the tape."""


@contextmanager
def listening_to_tapes(listener: TapeListener) -> Iterator[None]:
    """Has the listener take part in every backward pass, in whichever thread, until it leaves."""
    with ExitStack() as stack:
        for method in _METHODS:
            stack.enter_context(method.listened_to_by(listener))
        yield


def _asking(
    original: Method, listeners: list[TapeListener], target: str, sources: str, packs: bool
) -> Method:
    """Returns a differentiating function that also asks for what the listeners want.

    Args:
        original: The function.
        listeners: Those that listen at present.
        target: The name of its argument for what is differentiated.
        sources: The name of its argument for what it is differentiated by.
        packs: Whether it returns the structure of its sources, and not a list.
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
    """Calls a differentiating function with more sources than its own.

    Returns:
        The derivatives by its own sources, flat, and those by the others.
    """
    flat = tf.nest.flatten(bound.arguments[sources])
    unconnected = bound.arguments.get("unconnected_gradients", tf.UnconnectedGradients.NONE)
    fills = tf.UnconnectedGradients(unconnected) is tf.UnconnectedGradients.ZERO
    if fills:  # of the others it must be seen which are unconnected
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

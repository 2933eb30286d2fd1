"""Runs a twin of each `tf.function` of the user's in a recorded step.

A `tf.function` keeps its traces. If it were traced during a recorded step, it would record at every
later call; if it was traced before, it would never record. So during a recorded step, a call to a
`tf.function` that trains the model is redirected to a twin: the same Python function and options,
with traces of its own. The user's function never contains anything of the monitor, and a step that
is not recorded runs nothing else.

A twin runs the Python code again. If that code now builds a different step (a layer was frozen
since), the twin would train differently. Such a function is called as it is, and one warning says
what has changed.

Tried with TensorFlow 2.21.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Protocol

import tensorflow as tf

from vg_keras.capture.custom_gradients import sums_over_replicas_released
from vg_keras.capture.graph_difference import difference
from vg_keras.capture.patches import Method, SharedMethod
from vg_keras.capture.python_random import drawing_again, random_state
from vg_keras.capture.tf_functions import ConcreteFunction, PolymorphicFunction, trace
from vg_keras.filters import FilterError

Decisions = dict[Any, Any]
"""The twin of a function, or None, by its observers and by the trace of the function."""


class StepObserver(Protocol):
    """What observes the step that a twin is part of."""

    @property
    def num_stored(self) -> int:
        """How often something was stored, while tracing or in an eager step."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing is observed at the moment."""

    def silent(self) -> AbstractContextManager[None]:
        """Observes nothing for a while."""

    def reads_model(self, trace: ConcreteFunction) -> bool:
        """Whether a function reads any variable of the model."""

    def note_failure(self, sentence: str) -> None:
        """Takes a sentence that says why something is not recorded."""


class FunctionTwins:
    """Redirects calls of `tf.function`s for one observer.

    Args:
        observer: The observer.
        traces_own: Whether a user's function without a trace is traced together with its twin,
            because both are going to run.
    """

    def __init__(self, observer: StepObserver, traces_own: bool) -> None:
        self.observer = observer
        self.traces_own = traces_own
        self._left_alone: Collection[PolymorphicFunction] = ()
        self._belongs_here: Callable[[], bool] = bool
        self._num_traces_before: dict[int, tuple[PolymorphicFunction, int]] = {}
        # Not in the function: TensorFlow would keep a model whose method it is alive by that.
        self.decisions: weakref.WeakKeyDictionary[PolymorphicFunction, Decisions]
        self.decisions = weakref.WeakKeyDictionary()

    @contextmanager
    def installed(
        self, strategy: tf.distribute.Strategy, left_alone: Collection[PolymorphicFunction] = ()
    ) -> Iterator[None]:
        """Redirects calls made by this thread or by a replica.

        Args:
            strategy: The strategy that the step is run under.
            left_alone: Functions that are made for the recorded step, and need no twin.
        """
        self._left_alone = left_alone
        try:
            with self._listening(strategy):
                yield
        finally:
            self._num_traces_before.clear()

    @contextmanager
    def noting(self, strategy: tf.distribute.Strategy) -> Iterator[None]:
        """Notes which functions are traced for the first time, for `installed`.

        Args:
            strategy: The strategy that the step is run under.
        """
        with self._listening(strategy), self.observer.silent():
            yield

    @contextmanager
    def _listening(self, strategy: tf.distribute.Strategy) -> Iterator[None]:
        thread = threading.get_ident()
        is_replicated = strategy.num_replicas_in_sync > 1

        def belongs_here() -> bool:
            is_same = threading.get_ident() == thread
            return is_same or (is_replicated and tf.distribute.get_strategy() is strategy)

        self._belongs_here = belongs_here
        with _CALL.listened_to_by(self):
            yield

    def concerns(self, function: PolymorphicFunction) -> bool:
        """Whether a call of a function, here and now, is part of the recorded step."""
        return self._belongs_here() and function not in self._left_alone

    def note(self, function: PolymorphicFunction) -> None:
        """Notes how many traces a function has before it is traced in silence."""
        count = function.experimental_get_tracing_count()
        self._num_traces_before.setdefault(id(function), (function, count))

    def was_without_traces(self, function: PolymorphicFunction) -> bool:
        """Whether a function had no trace when this step began."""
        _, count = self._num_traces_before.get(id(function), (None, 1))
        return count == 0


def _redirected(
    function: PolymorphicFunction, listeners: Sequence[FunctionTwins], args: Any, kwargs: Any
) -> PolymorphicFunction:
    """Returns the function to call instead: a twin, or the function itself."""
    if _is_ours(function) or tf.config.functions_run_eagerly():
        return function
    concerned = [one for one in listeners if one.concerns(function)]
    if any(one.observer.is_silent for one in concerned):
        for one in concerned:
            one.note(function)
        return function
    return (_twin_of(function, concerned, args, kwargs) if concerned else None) or function


def _twin_of(
    function: PolymorphicFunction, concerned: Sequence[FunctionTwins], args: Any, kwargs: Any
) -> PolymorphicFunction | None:
    own: ConcreteFunction | None = None
    is_new = True
    state = random_state()
    if any(one.traces_own for one in concerned) or function.experimental_get_tracing_count():
        with _silence(concerned):
            own, is_new = trace(function, *args, **kwargs)
    if own is not None and not any(one.observer.reads_model(own) for one in concerned):
        return None
    decided = concerned[0].decisions.setdefault(function, {})
    key = tuple(weakref.ref(one.observer) for one in concerned), own
    if key not in decided:
        is_of_this_step = all(one.was_without_traces(function) for one in concerned)
        traced = None if is_new or is_of_this_step else own
        # The trace of an outer function draws on from where the trace of this one has stopped.
        draws_on = own is None or (is_of_this_step and not is_new)
        with (
            nullcontext() if draws_on else drawing_again(state),
            sums_over_replicas_released(),
        ):
            decided[key] = _decide(function, concerned, args, kwargs, traced)
    return decided[key]


def _decide(
    function: PolymorphicFunction,
    concerned: Sequence[FunctionTwins],
    args: Any,
    kwargs: Any,
    traced: ConcreteFunction | None,
) -> PolymorphicFunction | None:
    """Returns a twin, if it would record something and trains exactly like the function.

    Args:
        function: The function.
        concerned: For whom it records.
        args: What it is called with.
        kwargs: What it is called with.
        traced: The trace of the function, if that was made in an earlier step.
    """
    twin = function._clone(None)  # TensorFlow's own way to get one with the same options
    num_stored = [one.observer.num_stored for one in concerned]
    try:
        trace(twin, *args, **kwargs)
    except FilterError:
        raise  # the user's, at the first step of a model that was not built before
    except Exception as error:  # noqa: BLE001 - ours, unless the function itself raises it too
        with _silence(concerned):
            trace(function, *args, **kwargs)
        name = _name_of(function)
        _note_failure(concerned, f"GradientMonitor could not trace {name}: {error!r}.")
        return None
    if num_stored == [one.observer.num_stored for one in concerned]:
        return None
    if traced is not None:
        with _silence(concerned):
            changed = difference(traced, trace(function._clone(None), *args, **kwargs)[0])
        if changed is not None:
            _note_failure(
                concerned,
                f"The tf.function {_name_of(function)!r} is no longer the one that was traced: "
                f"{changed}. Such a change takes effect only in a new tf.function. Nothing of this "
                "one is recorded, because a recorded step would train differently: make it anew "
                "with `tf.function`.",
            )
            return None
    return twin


@contextmanager
def _silence(concerned: Sequence[FunctionTwins]) -> Iterator[None]:
    with ExitStack() as stack:
        for one in concerned:
            stack.enter_context(one.observer.silent())
        yield


def _note_failure(concerned: Sequence[FunctionTwins], sentence: str) -> None:
    for one in concerned:
        one.observer.note_failure(sentence)


def _name_of(function: PolymorphicFunction) -> str:
    return getattr(function.python_function, "__name__", "<unnamed>")


def _is_ours(function: PolymorphicFunction) -> bool:
    return str(getattr(function.python_function, "__module__", "")).startswith("vg_keras.")


def _redirecting(original: Method, listeners: list[FunctionTwins]) -> Method:
    """Returns what stands in for `__call__` of every `tf.function`."""

    @functools.wraps(original)
    def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
        return original(_redirected(function, list(listeners), args, kwargs), *args, **kwargs)

    return call


_CALL: SharedMethod[FunctionTwins] = SharedMethod(
    type(tf.function(lambda: None)), "__call__", _redirecting
)

"""Redirects calls of the user's `tf.function`s to recording twins in a recorded step.

A `tf.function` keeps its traces. If it were traced during a recorded step, it would record at every
later call; if it was traced before, it would never record. So during a recorded step, a call to a
`tf.function` that trains the model is redirected to a twin: a copy with the same Python function
and options, but separate traces. The user's function never contains any operation of the monitor,
and steps that are not recorded run only the user's function.

A twin runs the Python code again. If that code now builds a different step (a layer has been frozen
in the meantime), the twin would train differently. Such a function is called directly, without
recording, and one warning names the change.

Tested with TensorFlow 2.21.
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
"""The twins of a function (or None), by its observers and its trace."""


class StepObserver(Protocol):
    """Interface of the observer of a step that calls twins."""

    @property
    def num_stored(self) -> int:
        """How many updates were stored, while tracing or in eager steps."""

    @property
    def is_silent(self) -> bool:
        """Whether observation is suspended."""

    def silent(self) -> AbstractContextManager[None]:
        """Suspends observation in a `with` block."""

    def reads_model(self, trace: ConcreteFunction) -> bool:
        """Whether a traced function reads any variable of the model."""

    def note_failure(self, sentence: str) -> None:
        """Notes a sentence that explains why something is not recorded."""


class FunctionTwins:
    """The twins of the `tf.function`s that one observer's steps call.

    Args:
        observer: The observer.
        traces_own: Whether a user's function without a trace is traced together with its twin,
            because both will run.
    """

    def __init__(self, observer: StepObserver, traces_own: bool) -> None:
        self.observer = observer
        self.traces_own = traces_own
        self._left_alone: Collection[PolymorphicFunction] = ()
        self._belongs_here: Callable[[], bool] = bool
        self._num_traces_before: dict[int, tuple[PolymorphicFunction, int]] = {}
        # Not an attribute of the function: if it is a method, that would keep its model alive.
        self.decisions: weakref.WeakKeyDictionary[PolymorphicFunction, Decisions]
        self.decisions = weakref.WeakKeyDictionary()

    @contextmanager
    def installed(
        self, strategy: tf.distribute.Strategy, left_alone: Collection[PolymorphicFunction] = ()
    ) -> Iterator[None]:
        """Redirects calls made by this thread or by a replica.

        Args:
            strategy: The strategy that the step runs under.
            left_alone: Functions that were made for the recorded step and need no twin.
        """
        self._left_alone = left_alone
        try:
            with self._listening(strategy):
                yield
        finally:
            self._num_traces_before.clear()

    @contextmanager
    def noting(self, strategy: tf.distribute.Strategy) -> Iterator[None]:
        """Notes which functions are traced for the first time, before `installed`.

        Args:
            strategy: The strategy that the step runs under.
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
        """Whether a call of a function, in the current thread, is part of the recorded step."""
        return self._belongs_here() and function not in self._left_alone

    def note(self, function: PolymorphicFunction) -> None:
        """Notes the number of traces of a function before it is traced unobserved."""
        count = function.experimental_get_tracing_count()
        self._num_traces_before.setdefault(id(function), (function, count))

    def was_without_traces(self, function: PolymorphicFunction) -> bool:
        """Whether a function had no trace when this step started."""
        _, count = self._num_traces_before.get(id(function), (None, 1))
        return count == 0


def _redirected(
    function: PolymorphicFunction, listeners: Sequence[FunctionTwins], args: Any, kwargs: Any
) -> PolymorphicFunction:
    """Returns the function to call: a twin, or the function itself."""
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
        # Tracing an outer function continues the random numbers from where this trace stopped.
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
    """Returns a twin if it records something and trains exactly like the function, or None.

    Args:
        function: The function.
        concerned: The observers' twins that it records for.
        args: The positional arguments of the call.
        kwargs: The keyword arguments of the call.
        traced: The trace of the function, if it was made in an earlier step.
    """
    twin = function._clone(None)  # private: TensorFlow's way to copy it with the same options
    num_stored = [one.observer.num_stored for one in concerned]
    try:
        trace(twin, *args, **kwargs)
    except FilterError:
        raise  # a mistake of the user, found at the first step of a model that was not built
    except Exception as error:  # noqa: BLE001 - ours, unless tracing the function raises it too
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
                f"{changed}. Such a change takes effect only in a new tf.function. This one is not "
                "recorded, because a recorded step would train differently: create it again with "
                "`tf.function`.",
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
    """Returns the replacement for `__call__` of every `tf.function`."""

    @functools.wraps(original)
    def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
        return original(_redirected(function, list(listeners), args, kwargs), *args, **kwargs)

    return call


_CALL: SharedMethod[FunctionTwins] = SharedMethod(
    type(tf.function(lambda: None)), "__call__", _redirecting
)

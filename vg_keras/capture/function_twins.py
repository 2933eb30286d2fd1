"""Runs a twin of each `tf.function` of the user's in a recorded step.

A `tf.function` keeps what it has traced. Traced while a step is recorded, it would record at every
call from then on, also after the monitor has gone; traced before, it would never record. So while a
step is recorded, a call of a `tf.function` in which the model is trained is answered by a twin: the
same Python function with the same options and traces of its own. The user's function never contains
anything of the monitor, and a step that is not recorded runs nothing else.

A twin runs the Python code again. Where that has become another step since the user's function was
traced (a layer that was frozen), the twin would train differently: such a function is left to
itself, and one warning says what has changed.

Tried with TensorFlow 2.21.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import tensorflow as tf

from vg_keras.capture.graph_difference import difference
from vg_keras.capture.model import FilterError
from vg_keras.capture.patches import Method, SharedMethod
from vg_keras.capture.tf_functions import ConcreteFunction, PolymorphicFunction, trace

_ATTRIBUTE = "_vg_keras_twins"
"""Where a `tf.function` keeps its twins, so that these are gone when it is."""

_MAX_KEPT = 4
"""Observers whose twins a function keeps."""


class StepObserver(Protocol):
    """What observes the step that a twin is part of."""

    num_stored: int
    """How often something was stored, while tracing or in an eager step."""

    def silent(self) -> AbstractContextManager[None]:
        """Observes nothing for a while."""

    def warn_of(self, error: Exception) -> None:
        """Warns of an error of the observer."""

    def reads_model(self, trace: ConcreteFunction) -> bool:
        """Whether a function reads any variable of the model."""


class FunctionTwins:
    """Answers calls of `tf.function`s for one observer.

    Args:
        observer: The observer.
        traces_own: Whether a user's function without a trace is traced together with its twin,
            because both are going to run.
    """

    def __init__(self, observer: StepObserver, traces_own: bool) -> None:
        self._observer = observer
        self._traces_own = traces_own
        self._left_alone: Collection[PolymorphicFunction] = ()
        self._belongs_here: Callable[[], bool] = bool
        self._num_traces_before: dict[int, tuple[PolymorphicFunction, int]] = {}
        self._is_silent = False
        self.has_refused = False
        """Whether a function was left to itself because it has become another one."""

    @contextmanager
    def installed(
        self, strategy: tf.distribute.Strategy, left_alone: Collection[PolymorphicFunction] = ()
    ) -> Iterator[None]:
        """Answers calls made by this thread, or by a replica.

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
        """Notes which functions are traced for the first time, for `installed`; answers no calls.

        Args:
            strategy: The strategy that the step is run under.
        """
        with self._listening(strategy), self._silent_calls():
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

    def answering(
        self, function: PolymorphicFunction, args: Any, kwargs: Any
    ) -> PolymorphicFunction:
        """Returns the function that is to be called in place of a function: a twin or itself."""
        if not self._belongs_here() or _is_ours(function) or function in self._left_alone:
            return function
        if self._is_silent:
            count = function.experimental_get_tracing_count()
            self._num_traces_before.setdefault(id(function), (function, count))
            return function
        if tf.config.functions_run_eagerly():
            return function
        return self._twin_for(function, args, kwargs) or function

    def _twin_for(
        self, function: PolymorphicFunction, args: Any, kwargs: Any
    ) -> PolymorphicFunction | None:
        own: ConcreteFunction | None = None
        is_new = True
        if self._traces_own or function.experimental_get_tracing_count():
            with self._silence():
                own, is_new = trace(function, *args, **kwargs)
        if own is not None and not self._observer.reads_model(own):
            return None
        twins = function.__dict__.setdefault(_ATTRIBUTE, _Twins())
        decided = twins.of(self._observer)
        if own not in decided:
            decided[own] = self._decide(function, args, kwargs, None if is_new else own)
        return decided[own]

    def _decide(
        self, function: PolymorphicFunction, args: Any, kwargs: Any, traced: ConcreteFunction | None
    ) -> PolymorphicFunction | None:
        """Returns a twin if there is anything that it records and it trains like the function.

        Args:
            function: The function.
            args: What it is called with.
            kwargs: What it is called with.
            traced: The trace of the function, if that was made in an earlier step.
        """
        _, num_before = self._num_traces_before.get(id(function), (None, 1))
        twin = function._clone(None)  # TensorFlow's own way to get one with the same options
        num_stored = self._observer.num_stored
        try:
            trace(twin, *args, **kwargs)
        except FilterError:
            raise  # the user's, at the first step of a model that was not built before
        except Exception as error:  # noqa: BLE001 - ours, unless the function itself raises it too
            with self._silence():
                trace(function, *args, **kwargs)
            self._observer.warn_of(error)
            return None
        if self._observer.num_stored == num_stored:
            return None
        if traced is not None and num_before > 0:
            with self._silence():
                changed = difference(traced, trace(function._clone(None), *args, **kwargs)[0])
            if changed is not None:
                self._refuse(function, changed)
                return None
        return twin

    def _refuse(self, function: PolymorphicFunction, changed: str) -> None:
        self.has_refused = True
        name = getattr(function.python_function, "__name__", "of yours")
        warnings.warn(
            f"The tf.function {name!r} is no longer the one that was traced: {changed}. Such a "
            "change takes effect only in a new tf.function. Nothing of this one is recorded, "
            "because a recorded step would train differently: make it anew with `tf.function`.",
            stacklevel=2,
        )

    @contextmanager
    def _silence(self) -> Iterator[None]:
        with self._observer.silent(), self._silent_calls():
            yield

    @contextmanager
    def _silent_calls(self) -> Iterator[None]:
        before, self._is_silent = self._is_silent, True
        try:
            yield
        finally:
            self._is_silent = before


class _Twins:
    """The twins of one function, by observer and by the trace of the function itself."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[Any, dict[ConcreteFunction | None, Any]]] = {}

    def __reduce__(self) -> tuple[type[_Twins], tuple[()]]:
        return _Twins, ()  # a copy of the function is another function

    def of(self, observer: Any) -> dict[ConcreteFunction | None, Any]:
        """Returns those of an observer, which they keep alive."""
        found = self._of.setdefault(id(observer), (observer, {}))
        for key in list(self._of)[:-_MAX_KEPT]:
            del self._of[key]
        return found[1]


def _is_ours(function: PolymorphicFunction) -> bool:
    return str(getattr(function.python_function, "__module__", "")).startswith("vg_keras.")


def _answered_by_twins(original: Method, listeners: list[FunctionTwins]) -> Method:
    """Returns what stands in for `__call__` of every `tf.function`."""

    @functools.wraps(original)
    def call(function: Any, *args: Any, **kwargs: Any) -> Any:
        for listener in list(listeners):
            function = listener.answering(function, args, kwargs)
        return original(function, *args, **kwargs)

    return call


_CALL: SharedMethod[FunctionTwins] = SharedMethod(
    type(tf.function(lambda: None)), "__call__", _answered_by_twins
)

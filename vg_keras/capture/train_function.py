"""Switches between two train functions of a model: its own, and one that records.

`fit` looks up `model.train_function` at every step, right after `on_train_batch_begin`. A batch
that is recorded gets the recording one, every other batch the model's own, so a step that is not
recorded costs nothing. Both are created by the model's own `make_train_function`. Tested with
Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import Any, Protocol

import keras
import tensorflow as tf

from vg_keras.capture.custom_gradients import sums_over_replicas_released
from vg_keras.capture.graph_difference import difference
from vg_keras.capture.model_state import ModelState
from vg_keras.capture.observer import Observer
from vg_keras.capture.optimizers import build_optimizer
from vg_keras.capture.patches import replace_in_instance
from vg_keras.capture.python_random import drawing_again, random_state
from vg_keras.capture.tf_functions import (
    ConcreteFunction,
    PolymorphicFunction,
    functions_in,
    outermost_functions,
    takes_iterator,
    trace,
    trace_like,
    traces_of,
)
from vg_keras.filters import FilterError


class OccupiedError(RuntimeError):
    """Another monitor already records this execution of the train function."""


class NotCalledError(RuntimeError):
    """The train function that was armed for an earlier execution has not been called."""


class _RecordingError(Exception):
    """A step can't be recorded, and has not changed the model."""


class ExecutionRecorder(Protocol):
    """Interface of the recorder of an execution."""

    def run_probe(self) -> None:
        """Called before the execution."""

    def receive(self, observer: Observer) -> None:
        """Called after each part of the execution, with its rows still in the observer."""

    def warn_once(self, message: str) -> None:
        """Warns the user, unless the same warning was given before."""


class RecordingTrainFunction:
    """A train function that records one execution.

    It is armed before a batch and restores the model's own train function before it runs, so that
    the model is unchanged whatever happens in that batch or later. If another callback raises in
    between, it stays armed until the next batch, which is not recorded.

    The recording function is traced from the same Python code as the model's own. Python state that
    changes between the two traces (a frozen layer, the rate of a Dropout layer) would make them
    different steps. So both are traced at the same moment. If the model's own was traced earlier,
    in a `fit` without the monitor, it is traced again to check that it is unchanged; otherwise
    nothing is recorded.

    Args:
        model: A compiled model whose own train function has been made.
        observer: The observer that measures the steps.
        records_every_step: Whether every step is recorded. Then the model's own train function
            never runs and need not be traced.
    """

    def __init__(
        self, model: keras.Model, observer: Observer, records_every_step: bool = False
    ) -> None:
        self._model = model
        self._own = own_train_function(model)
        self._observer = observer
        self._records_every_step = records_every_step
        self._recordings: dict[ConcreteFunction | None, Callable[..., Any] | str] = {}
        """The recording function, or a sentence that explains why nothing can be recorded, by the
        trace of the model's own function."""
        self._have_run: set[Callable[..., Any]] = set()
        self._made_for_recording: dict[Callable[..., Any], list[PolymorphicFunction]] = {}
        self._random_state = random_state()
        self._has_own_trace = False
        self._first = self._start = self._batch = 0
        self._history: keras.callbacks.History | None = None
        self._recorder: ExecutionRecorder | None = None

    def belongs_to(self, model: keras.Model) -> bool:
        """Whether the model still has the train function that this one was made for."""
        return self._model is model and own_train_function(model) is self._own

    def arm(self, first: int, start: int, batch: int, recorder: ExecutionRecorder) -> None:
        """Arms the recording of the next execution.

        Args:
            first: The first step that is due.
            start: The first step of the execution.
            batch: The number of the batch in its epoch, which identifies the execution.
            recorder: The recorder, called before and after the execution.

        Raises:
            OccupiedError: If another monitor has armed it for the same execution.
            NotCalledError: If it was armed for an earlier execution and not called. The model's own
                train function is then restored.
        """
        armed, history = self._model.train_function, _history(self._model)
        if isinstance(armed, RecordingTrainFunction):
            is_of_this_fit = armed._history is history
            if is_of_this_fit and armed._batch == batch and armed._recorder is not recorder:
                raise OccupiedError
            restore(self._model)
            if is_of_this_fit:
                raise NotCalledError
        self._first, self._start, self._batch, self._recorder = first, start, batch, recorder
        self._history = history
        self._model.train_function = self

    def __call__(self, iterator: Any) -> Any:
        """Runs one execution of the train function, records it, and returns its logs."""
        self._model.train_function = self._own
        recorder, self._recorder = self._recorder, None
        is_of_fit = _history(self._model) is self._history and not _is_of_train_on_batch(iterator)
        if recorder is None or not is_of_fit:
            return self._own(iterator)
        key, recording = self._recording_for(iterator)
        if isinstance(recording, str):
            recorder.warn_once(recording)
            return self._own(iterator)
        recorder.run_probe()
        self._observer.begin_execution(self._first, self._start)
        logs = None
        for part in range(self._num_parts):
            if part:
                self._observer.continue_execution()
            try:
                with self._observer.watching(self._made_for_recording.get(recording, ())):
                    logs = self._run(recording, iterator)
            except _RecordingError as error:
                reason = f"{error} Nothing more is recorded. Training goes on."
                self._recordings[key] = reason
                logs = self._run_own_after(error, iterator)
                recorder.warn_once(reason)
                return logs
            except (StopIteration, tf.errors.OutOfRangeError):
                if part == 0:
                    raise
                break  # the data ended between two parts
            recorder.receive(self._observer)
        return logs

    @property
    def _num_parts(self) -> int:
        """The number of parts that an execution is split into."""
        return self._model.steps_per_execution // self._observer.num_steps

    def _run_own_after(self, failure: _RecordingError, iterator: Any) -> Any:
        """Runs the model's own train function after the recording one has failed.

        If that fails too, the error is the model's own. Raises the error from tracing then, which
        is more informative.
        """
        try:
            return self._own(iterator)
        except (StopIteration, tf.errors.OutOfRangeError):
            raise
        except Exception as error:
            raise failure.__cause__ or error from error

    def _recording_for(
        self, iterator: Any
    ) -> tuple[ConcreteFunction | None, Callable[..., Any] | str]:
        """Returns the recording function for this iterator, or a sentence why there is none.

        There is one for each trace of the model's own function, made at the same moment, with that
        trace as its key.
        """
        build_optimizer(self._model)
        self._random_state = random_state()
        own, is_new = self._own_trace(iterator)
        self._has_own_trace = own is not None
        if own not in self._recordings:
            differs = None if is_new else self._difference(own, iterator)
            self._recordings[own] = (
                self._make_recording()
                if differs is None
                else f"The train step of the model {self._model.name!r} is no longer the one that "
                f"was traced: {differs}. In Keras such a change takes effect at the next "
                "`compile`. Nothing is recorded until then, because a recorded step would "
                "train differently: compile the model again."
            )
        return own, self._recordings[own]

    def _own_trace(self, iterator: Any) -> tuple[ConcreteFunction | None, bool]:
        """Returns the trace of the model's own function, and whether it is new.

        The trace is None if it is not needed, or if the function can't be traced without running.
        """
        functions = outermost_functions(self._own)
        if len(functions) == 1 and takes_iterator(functions[0], iterator):
            has_traces = functions[0].experimental_get_tracing_count() > 0
            if has_traces or not self._records_every_step:
                with self._observer.noting_traces():
                    return trace(functions[0], iterator)
        return None, not any(f.experimental_get_tracing_count() for f in functions)

    def _difference(self, own: ConcreteFunction | None, iterator: Any) -> str | None:
        """Describes how the step would differ if it were traced now, or None if it would not."""
        before = outermost_functions(self._own)
        after = outermost_functions(self._make_train_function())
        if len(before) != len(after):
            return "it runs differently, for example because `run_eagerly` was changed"
        try:
            if own is not None:
                with drawing_again(self._random_state), sums_over_replicas_released():
                    again, _ = trace(after[0], iterator)
                return difference(own, again)
            for function, again in zip(before, after, strict=True):
                for concrete in traces_of(function):
                    found = difference(concrete, trace_like(again, concrete))
                    if found is not None:
                        return found
        except Exception as error:  # noqa: BLE001 - the user's step may fail when traced again
            return f"tracing it again fails: {error}".splitlines()[0].rstrip(".")
        return None

    def _run(self, recording: Callable[..., Any], iterator: Any) -> Any:
        """Runs a recording function, which is traced before its first run.

        Raises:
            _RecordingError: If that fails and the state of the model is unchanged.
        """
        with ExitStack() as stack:
            if self._num_parts > 1:  # Keras reads it while tracing, and at each run in eager mode
                num_steps = self._observer.num_steps
                replace_in_instance(self._model, "steps_per_execution", num_steps, stack)
            return self._run_part(recording, iterator)

    def _run_part(self, recording: Callable[..., Any], iterator: Any) -> Any:
        if recording in self._have_run:
            return recording(iterator)
        with drawing_again(self._random_state) if self._has_own_trace else nullcontext():
            self._trace(recording, iterator)
        # If memory is short at all, it is short at the first run.
        state = ModelState(self._model)
        try:
            logs = recording(iterator)
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            if state.has_changed():
                raise
            raise _RecordingError(
                f"There is not enough memory to record a step of the model {self._model.name!r}: "
                f"{error!r}. The batch of that step is skipped."
            ) from error
        self._have_run.add(recording)
        return logs

    def _trace(self, recording: Callable[..., Any], iterator: Any) -> None:
        try:
            with sums_over_replicas_released():
                for function in outermost_functions(recording):
                    if takes_iterator(function, iterator):
                        trace(function, iterator)
        except FilterError:
            raise  # a mistake of the user, found at the first step of a model that was not built
        except Exception as error:
            raise _RecordingError(
                f"GradientMonitor could not trace a step of the model {self._model.name!r} for "
                f"recording: {error!r}."
            ) from error

    def _make_recording(self) -> Callable[..., Any]:
        """Returns a train function that records, from the model's own `make_train_function`."""
        self._observer.prepare()
        train_step = self._model.train_step

        def recorded_train_step(*args: Any, **kwargs: Any) -> Any:
            self._observer.begin_step((args, kwargs))
            return train_step(*args, **kwargs)

        with ExitStack() as stack:
            # `make_train_function` looks `train_step` up once.
            replace_in_instance(self._model, "train_step", recorded_train_step, stack)
            recording = self._make_train_function()
        known = functions_in(self._own)
        made = [function for function in functions_in(recording) if function not in known]
        self._made_for_recording[recording] = made
        return recording

    def _make_train_function(self) -> Callable[..., Any]:
        """Returns a new train function of the model without replacing its own."""
        model, current = self._model, self._model.train_function
        try:
            # Not `force=True`: an overridden method may not accept it.
            model.train_function = None
            model.make_train_function()
            return model.train_function
        finally:
            model.train_function = current


def _history(model: keras.Model) -> keras.callbacks.History | None:
    """Returns the History of the current `fit`; each `fit` creates a new one."""
    return getattr(model, "history", None)


def _is_of_train_on_batch(iterator: Any) -> bool:
    """Whether an iterator is from `train_on_batch` (Keras 3.15): it may follow a failed `fit`."""
    code = getattr(iterator, "gi_code", None)
    return code is not None and "/keras/" in code.co_filename.replace("\\", "/")


def own_train_function(model: keras.Model) -> Callable[..., Any]:
    """Returns the model's own train function, even if a recording one is armed in its place."""
    function = model.train_function
    while isinstance(function, RecordingTrainFunction):
        function = function._own
    return function


def restore(model: keras.Model) -> bool:
    """Restores the model's own train function, and returns whether a recording one was armed."""
    own = own_train_function(model)
    is_armed = model.train_function is not own
    if is_armed:
        model.train_function = own
    return is_armed

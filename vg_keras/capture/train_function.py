"""Two train functions for one model: its own, and one that also keeps what is recorded.

`fit` looks `model.train_function` up at every step, right after `on_train_batch_begin`. A batch
that is to be recorded gets the recording one, every other the model's own, so that a step which is
not recorded costs nothing at all. Both come from the model's own `make_train_function`; tried with
Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras

from vg_keras.capture.observer import Observer


class OccupiedError(RuntimeError):
    """One execution of a train function cannot be recorded twice."""


class ExecutionRecorder(Protocol):
    """What takes the records of an execution."""

    def run_probe(self) -> None:
        """Is called before it."""

    def receive(self, observer: Observer) -> None:
        """Is called after it, with what it kept still in the observer."""


class RecordingTrainFunction:
    """A train function that records one execution.

    It is armed before a batch and puts the model's own train function back before it runs, so that
    whatever happens in that batch or after it, the model is left as it was found. Should another
    callback raise between the two, it stays until the next batch, and that is not recorded.

    Args:
        model: A compiled model whose own train function has been made.
        observer: What measures the steps.
    """

    def __init__(self, model: keras.Model, observer: Observer) -> None:
        self._model = model
        self._own = own_train_function(model)
        self._observer = observer
        self._recording = self._make_recording()
        self._first = 0
        self._history: keras.callbacks.History | None = None
        self._recorder: ExecutionRecorder | None = None

    def belongs_to(self, model: keras.Model) -> bool:
        """Tells whether the model still has the train function that this one was made beside."""
        return self._model is model and own_train_function(model) is self._own

    def arm(self, first: int, recorder: ExecutionRecorder) -> None:
        """Has the next execution recorded.

        Args:
            first: The first step that is due.
            recorder: What is called before and after it.

        Raises:
            OccupiedError: Another one is armed for the same execution.
        """
        if self._model.train_function is not self._own:
            raise OccupiedError
        self._first, self._recorder = first, recorder
        self._history = _history(self._model)
        self._model.train_function = self

    def __call__(self, iterator: Any) -> Any:
        """Runs one execution of the train function, records it, and hands its logs on."""
        self._model.train_function = self._own
        recorder = self._recorder
        if recorder is None or _history(self._model) is not self._history:
            return self._own(iterator)
        recorder.run_probe()
        self._observer.begin_execution(self._first)
        with self._observer.watching():
            logs = self._recording(iterator)
        recorder.receive(self._observer)
        return logs

    def _make_recording(self) -> Callable[..., Any]:
        """Returns what the model's own `make_train_function` makes of a step that is recorded."""
        model, train_step = self._model, self._model.train_step

        def recorded_train_step(*args: Any, **kwargs: Any) -> Any:
            self._observer.begin_step()
            return train_step(*args, **kwargs)

        # Into the instance's own dictionary, past the attribute tracking of Keras objects, and out
        # again: `make_train_function` looks `train_step` up once.
        theirs = vars(model).get("train_step")
        vars(model)["train_step"] = recorded_train_step
        try:
            model.make_train_function(force=True)
            return model.train_function
        finally:
            del vars(model)["train_step"]
            if theirs is not None:
                vars(model)["train_step"] = theirs
            model.train_function = self._own


def _history(model: keras.Model) -> keras.callbacks.History | None:
    """Returns the History of the present `fit`, which makes another one each time."""
    return getattr(model, "history", None)


def own_train_function(model: keras.Model) -> Callable[..., Any]:
    """Returns the model's own train function, also where a recording one is armed in its place."""
    function = model.train_function
    while isinstance(function, RecordingTrainFunction):
        function = function._own
    return function


def put_back(model: keras.Model) -> None:
    """Gives the model its own train function, should a recording one be armed."""
    own = own_train_function(model)
    if model.train_function is not own:
        model.train_function = own

"""The Keras callback: when to record, and where the records go.

No maths and no files here. What is measured in the train step stands in `capture/`, what becomes of
it on disk in `writer.py`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import keras

from vg_keras import events, metadata
from vg_keras.capture.capture import Capture
from vg_keras.capture.model import VariableFilter, checked_filter
from vg_keras.capture.train_function import OccupiedError, put_back
from vg_keras.record import ModelDescription, Record
from vg_keras.schedule import Schedule
from vg_keras.writer import RecordWriter

DEFAULT_UPDATE_FREQ = 100
"""Steps between two records. At 8 layers of 128 a recorded step costs as much as one and a half to
three others, so that one in a hundred keeps the whole below 1.03 of plain `fit`."""

MAX_RECORDS = 1000
"""Records kept in memory: about 20 MB of a network with 18 variables."""


class GradientMonitor(keras.callbacks.Callback):
    """Records how gradients flow through a model while `fit` trains it.

    It records the gradients that really train the model, inside the train step, without a second
    pass and without changing the training: each variable's sketch (`vg_keras.Sketch`) goes to
    TensorBoard as a histogram of the values, a histogram of log10 of the magnitudes and the L2
    norm. The first step is always recorded, then every step whose number is a multiple of
    `update_freq`.

    The gradient is that of the whole batch before clipping and without loss scale; with gradient
    accumulation it is that of each single batch.

    Args:
        log_dir: Directory of the TensorBoard log; its run is the subdirectory `gradients`. None
            writes nothing to disk and only keeps `records`.
        update_freq: "epoch" records the first step of each epoch, "batch" every step, and a
            positive integer every so many steps.
        variables: Which trainable variables to monitor: None for all of them, a shell pattern of
            `variable.path` such as `"*/kernel"`, a list of patterns, or a function from a
            `keras.Variable` to bool.
        write_gradients: Whether to write the histograms of the values.
        write_log10_gradients: Whether to write the histograms of log10 of the magnitudes.
        write_gradient_norms: Whether to write the L2 norms.

    Attributes:
        records: What was recorded, a list of `vg_keras.Record` in the order of the steps. It goes
            on over several calls of `fit` of one model and begins anew with another model. Beyond
            1000 records every second of them is dropped here, though not on disk.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `update_freq` is none of the above. At the beginning of `fit`: `log_dir` can't
            be written to, or `variables` matches none.
        RuntimeError: Keras runs on another backend than TensorFlow.

    Example:
        >>> monitor = GradientMonitor()
        >>> model.fit(x, y, callbacks=[monitor])  # doctest: +SKIP
        >>> monitor.records[0].gradients["dense/kernel"].norm  # doctest: +SKIP
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = "logs",
        update_freq: int | str = DEFAULT_UPDATE_FREQ,
        variables: VariableFilter = None,
        *,
        write_gradients: bool = True,
        write_log10_gradients: bool = True,
        write_gradient_norms: bool = True,
    ) -> None:
        super().__init__()
        _check_backend()
        self.log_dir = None if log_dir is None else _checked_path(log_dir)
        self.update_freq = update_freq
        self.variables = checked_filter(variables)
        self.records: list[Record] = []
        switches = {
            metadata.GRADIENTS: write_gradients,
            metadata.LOG10_GRADIENTS: write_log10_gradients,
            metadata.GRADIENT_NORM: write_gradient_norms,
        }
        self._kinds = [kind for kind in events.KINDS if switches[kind]]
        self._schedule = Schedule(update_freq)
        self._capture: Capture | None = None
        self._writer: RecordWriter | None = None
        self._step = 0
        self._warnings: set[str] = set()

    def set_model(self, model: keras.Model) -> None:
        """Begins anew with another model."""
        if model is not self._model:
            self.records = []
            self._capture = None
        super().set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Prepares the model and opens the event file; whatever is wrong is said here."""
        put_back(self.model)  # a `fit` that was interrupted may have left a recording function
        self._close_writer()
        self._follow_model()
        if self.log_dir is not None:
            self._writer = RecordWriter(self.log_dir, self._kinds)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Reads the number of the step that comes, once an epoch."""
        self._step = self._follow_model().step
        self._schedule.begin_epoch(self._step)

    # Without an `on_train_batch_end`: if a callback has one, Keras waits for each step to finish.
    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Has this execution of the train function recorded if one of its steps is due."""
        num_steps = self.model.steps_per_execution
        due = self._schedule.due(self._step, num_steps)
        self._step += num_steps
        if due is None:
            return
        try:
            self._follow_model().record_next(due, self._receive)
        except OccupiedError:
            self._warn_once(
                f"Another GradientMonitor records a step of the model {self.model.name!r}, so this "
                "one does not. Give `fit` one monitor, or let them record at different steps."
            )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the event file."""
        self._close_writer()

    def _follow_model(self) -> Capture:
        """Returns what records the model as it is now compiled."""
        if self._capture is None or not self._capture.serves(self.model):
            self._capture = Capture(self.model, self.variables, self._schedule.every)
            self._schedule.begin(self._capture.step)
        return self._capture

    def _receive(self, records: Sequence[Record], model: ModelDescription | None) -> None:
        if model is None or (not records and self.model.steps_per_execution == 1):
            self._warn_once(
                f"The train step of the model {self.model.name!r} handed no gradient of a "
                "monitored variable to `optimizer.apply`: nothing is recorded."
            )
            return
        for record in records:
            self.records.append(record)
            if self._writer is not None:
                self._writer.write(record, model)
        if len(self.records) > MAX_RECORDS:
            del self.records[1::2]

    def _warn_once(self, message: str) -> None:
        if message not in self._warnings:
            self._warnings.add(message)
            warnings.warn(message, stacklevel=2)

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _check_backend() -> None:
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            "GradientMonitor needs Keras on the TensorFlow backend. "
            f"Received: backend {backend!r}. "
            "Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported."
        )


def _checked_path(log_dir: str | os.PathLike[str]) -> str:
    try:
        path = os.fspath(log_dir)
    except TypeError:
        path = None
    if not isinstance(path, str) or not path:
        raise TypeError(
            "`log_dir` must be the path of a directory, or None to write nothing. "
            f"Received: log_dir={log_dir!r}."
        )
    return path

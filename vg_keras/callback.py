"""The Keras callback: when to record, and where the records go.

No maths and no files here. What is measured in the train step stands in `capture/`, what becomes of
it on disk in `writer.py`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Sequence
from typing import Any

import keras

from vg_keras import events, metadata
from vg_keras.capture.capture import Capture
from vg_keras.capture.model import Filter, checked_filter, is_built
from vg_keras.capture.observer import Observer
from vg_keras.capture.optimizers import counter_of, optimizers_of
from vg_keras.capture.plan import Choice
from vg_keras.capture.probe_pass import ProbePass
from vg_keras.capture.slots import ArmedStep
from vg_keras.capture.train_function import OccupiedError, put_back
from vg_keras.probe import Probe, as_probe
from vg_keras.record import Record
from vg_keras.run_log import RunLog
from vg_keras.schedule import Schedule
from vg_keras.watch import Watch

DEFAULT_UPDATE_FREQ = 100
"""Steps between two records. At 8 layers of 128 a recorded step costs as much as three to five
others, so that one in a hundred keeps the whole near 1.03 of plain `fit`."""


class GradientMonitor(keras.callbacks.Callback):
    """Records how gradients flow through a model while `fit` trains it.

    It records what really trains the model, inside the train step, without a second pass and
    without changing the training: each variable's gradient and update, each layer's output and what
    is backpropagated to it. Of tensors a sketch is kept (`vg_keras.Sketch`), and TensorBoard shows
    all of it. The first step is always recorded, then every step whose number is a multiple of
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
        activations: Whether to monitor the outputs of layers and what is backpropagated to them.
            True stands for all layers that have weights or are an activation; patterns of
            `layer.path`, or a function from a `keras.Layer` to bool, choose among them.
        updates: Whether to monitor how far each update moves each variable.
        weights: Whether to monitor the variables themselves too.
        probe: A fixed batch whose gradients are taken at each recorded step, `(x, y)` or
            `(x, y, sample_weight)` or a `vg_keras.Probe`; its run is the subdirectory `probe`.
        charts: Which kinds of charts to write, out of `vg_keras.events.KINDS`; None for all. What
            `read_run` reads is written in any case.

    Attributes:
        records: What was recorded, a list of `vg_keras.Record` in the order of the steps. It goes
            on over several calls of `fit` of one model and begins anew with another model. Beyond
            1000 records every second of them is dropped here, though not on disk.
        probe_records: The same of the probe.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `update_freq`, `charts` or `probe` is none of the above. At the beginning of
            `fit`: `log_dir` can't be written to, or a filter matches nothing.
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
        variables: Filter = None,
        *,
        activations: bool | Filter = True,
        updates: bool = True,
        weights: bool = False,
        probe: Probe | tuple[Any, ...] | None = None,
        charts: Collection[str] | None = None,
    ) -> None:
        super().__init__()
        _check_backend()
        self.log_dir = None if log_dir is None else _checked_path(log_dir)
        self.update_freq = update_freq
        self.probe = as_probe(probe)
        self._choice = Choice(
            checked_filter(variables, "variables", "variable"),
            activations
            if isinstance(activations, bool)
            else checked_filter(activations, "activations", "layer"),
            updates,
            weights,
        )
        self._kinds = _checked_charts(charts)
        self._schedule = Schedule(update_freq)
        self._capture: Capture | None = None
        self._probe_pass: ProbePass | None = None
        self._log = self._new_log(metadata.RUN_NAME)
        self._probe_log = self._new_log(self.probe.name) if self.probe else None
        self._step = 0
        self._is_first_epoch = True
        self._warnings: set[str] = set()

    @property
    def records(self) -> list[Record]:
        """What was recorded, in the order of the steps."""
        return self._log.records

    @property
    def probe_records(self) -> list[Record]:
        """What was recorded of the probe, in the order of the steps."""
        return self._probe_log.records if self._probe_log else []

    def set_model(self, model: keras.Model) -> None:
        """Begins anew with another model."""
        if model is not self._model:
            self._begin_anew()
        super().set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Prepares the model and opens the event file; whatever is wrong is said here."""
        put_back(self.model)  # a `fit` that was interrupted may have left a recording function
        self._close_logs()
        self._follow_model()
        self._open_logs()
        self._is_first_epoch = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Reads the number of the step that comes, once an epoch."""
        self._step = self._follow_model().observer.step
        if self._is_first_epoch:  # not earlier: `BackupAndRestore` may come after `on_train_begin`
            self._is_first_epoch = False
            self._begin_logs_at(self._step)
        self._schedule.begin_epoch(self._step)

    # Without an `on_train_batch_end`: if a callback has one, Keras waits for each step to finish.
    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Has this execution of the train function recorded if one of its steps is due."""
        num_steps = self.model.steps_per_execution
        due = self._schedule.due(self._step, num_steps)
        self._step += num_steps
        if due is None:
            return
        capture = self._follow_model()
        try:
            capture.record_next(due, self._run_probe, lambda: self._receive(capture.observer))
        except OccupiedError:
            self._warn_once(
                f"Another GradientMonitor records a step of the model {self.model.name!r}, so this "
                "one does not. Give `fit` one monitor, or let them record at different steps."
            )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the event file."""
        put_back(self.model)  # a `fit` within this one may have had its model monitored instead
        self._close_logs()

    def watch(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer | Sequence[keras.optimizers.Optimizer] | None = None,
    ) -> Watch:
        """Attaches the monitor to a model that a loop written by hand trains.

        Args:
            model: The model. Under a distribution strategy it must be built.
            optimizer: The optimizer, or several of them; the first one counts the steps. By default
                those that the model is compiled with or keeps as attributes.

        Returns:
            A context manager, in which each step is one more.

        Raises:
            TypeError: `optimizer` is no Keras optimizer.
            ValueError: There is no optimizer, or a filter matches nothing. On entering: `log_dir`
                can't be written to.

        Example:
            >>> with monitor.watch(model, optimizer) as watch:  # doctest: +SKIP
            ...     for x, y in batches:
            ...         with watch.step():
            ...             train_step(x, y)
        """
        optimizers = _checked_optimizers(model, optimizer)
        self._begin_anew()
        counter = counter_of(optimizers[0])
        strategy = model.distribute_strategy
        if strategy.num_replicas_in_sync > 1 and not is_built(model):
            raise ValueError(
                f"Expected a built model under a distribution strategy. Received: {model.name!r}, "
                "which is not built. Call it once on a batch, in the scope of the strategy."
            )
        slots = ArmedStep()
        observer = Observer(model, optimizers, counter, self._choice, slots, strategy)
        if self.probe is not None:
            self._probe_pass = ProbePass(model, self.probe, self._choice, counter)
        return Watch(
            observer,
            slots,
            self._schedule,
            open_log=lambda: self._open_logs_at(observer.step),
            close_log=self._close_logs,
            before=self._run_probe,
            receive=lambda: self._receive(observer),
        )

    def _begin_anew(self) -> None:
        self._capture = None
        self._probe_pass = None
        self._log.records = []
        if self._probe_log is not None:
            self._probe_log.records = []

    def _follow_model(self) -> Capture:
        """Returns what records the model as it is now compiled."""
        if self._capture is None or not self._capture.serves(self.model):
            self._capture = Capture(self.model, self._choice, self._schedule.every)
            self._schedule.begin(self._capture.observer.step)
            if self.probe is not None:
                self._probe_pass = ProbePass(self.model, self.probe, self._choice)
        return self._capture

    def _run_probe(self) -> None:
        """Takes the gradients of the probe before a step that is recorded."""
        if self._probe_pass is None or self._probe_log is None:
            return
        try:
            self._probe_pass.run()
        except Exception as error:
            if not self._probe_log.records:
                raise ValueError(
                    "`probe` must be a batch that the model takes and has a loss for. "
                    f"Received one with which it fails: {error}"
                ) from error
            self._probe_pass = None
            self._warn_once(f"The probe failed and is not taken any more: {error!r}.")
            return
        self._add(self._probe_pass.observer, self._probe_log)

    def _receive(self, observer: Observer) -> None:
        if not self._add(observer, self._log) and observer.keeps_every_step:
            self._warn_once(
                f"The train step of the model {observer.model_name!r} handed no gradient of a "
                "monitored variable to `optimizer.apply`: nothing is recorded. If it is a "
                "tf.function, the monitor must be there when it is called for the first time."
            )
            return
        left_out = observer.left_out()
        if left_out:
            self._warn_once(
                f"The outputs of {_listed(left_out)} are not recorded: called in a loop or a "
                "function of their own (tf.while_loop, tf.function, tf.vectorized_map), they can't "
                "be seen from outside of it. Everything else is recorded."
            )

    def _add(self, observer: Observer, log: RunLog) -> bool:
        records = observer.read()
        for record in records:
            if observer.description is not None:
                log.add(record, observer.description)
        return bool(records)

    def _warn_once(self, message: str) -> None:
        if message not in self._warnings:
            self._warnings.add(message)
            warnings.warn(message, stacklevel=2)

    def _new_log(self, run_name: str) -> RunLog:
        return RunLog(self.log_dir, run_name, self._kinds)

    def _open_logs(self) -> None:
        for log in (self._log, self._probe_log):
            if log is not None:
                log.open()

    def _open_logs_at(self, step: int) -> None:
        self._open_logs()
        self._begin_logs_at(step)

    def _begin_logs_at(self, step: int) -> None:
        for log in (self._log, self._probe_log):
            if log is not None:
                log.begin_at(step)

    def _close_logs(self) -> None:
        for log in (self._log, self._probe_log):
            if log is not None:
                log.close()


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


def _checked_charts(charts: Collection[str] | None) -> list[str]:
    if charts is None:
        return list(events.KINDS)
    if isinstance(charts, str) or not isinstance(charts, Collection):
        raise TypeError(
            "`charts` must be a list of kinds of charts, or None for all. "
            f"Received: charts={charts!r}."
        )
    unknown = [kind for kind in charts if kind not in events.KINDS]
    if unknown:
        raise ValueError(
            f"`charts` must be out of {', '.join(events.KINDS)}. "
            f"Received: {', '.join(map(repr, unknown))}."
        )
    return [kind for kind in events.KINDS if kind in charts]


def _checked_optimizers(model: keras.Model, optimizer: Any) -> list[keras.optimizers.Optimizer]:
    if optimizer is None:
        optimizers = optimizers_of(model)
    else:
        optimizers = list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
    wrong = [o for o in optimizers if not isinstance(o, keras.optimizers.Optimizer)]
    if wrong:
        raise TypeError(
            "`optimizer` must be a Keras optimizer, or a list of them. "
            f"Received: a {type(wrong[0]).__name__}."
        )
    if not optimizers:
        raise ValueError(
            f"Expected an optimizer. The model {model.name!r} has none of its own. "
            "Hand the one of your loop over: `monitor.watch(model, optimizer)`."
        )
    return optimizers


def _listed(paths: Sequence[str], most: int = 5) -> str:
    names = ", ".join(paths[:most])
    return names if len(paths) <= most else f"{names} and {len(paths) - most} more layers"

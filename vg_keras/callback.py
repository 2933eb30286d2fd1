"""The Keras callback: when to record, and where the records go.

No math and no files: `capture/` measures in the train step, `writer.py` writes to disk.
"""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import keras

from vg_keras.arguments import (
    check_backend,
    check_model,
    checked_budget,
    checked_charts,
    checked_optimizers,
    checked_path,
    checked_patterns,
)
from vg_keras.capture import claims
from vg_keras.capture.capture import Capture, capture_of, loop_observer
from vg_keras.capture.model import Filter, checked_filter, is_built
from vg_keras.capture.plan import Choice
from vg_keras.capture.probe_pass import ProbePass
from vg_keras.capture.train_function import NotCalledError, OccupiedError, put_back
from vg_keras.chart_rhythm import HistogramRhythm
from vg_keras.cost import Cost, CostMeter
from vg_keras.due_executions import DueExecutions
from vg_keras.frames import to_pandas
from vg_keras.probe import Probe, as_probe
from vg_keras.record import Record
from vg_keras.recorder import Recorder
from vg_keras.schedule import Schedule
from vg_keras.step_count import StepCount
from vg_keras.watch import Watch

if TYPE_CHECKING:
    import pandas as pd

_OF_TRAINING = {
    *("_schedule", "_due", "_meter", "_capture", "_count", "_trains", "_watch"),
    *("_is_first_epoch", "_has_given_up", "_is_over"),
}
"""Attributes that belong to the current training run; a copy does not take them over."""


class GradientMonitor(keras.callbacks.Callback):
    """Records how gradients flow through a model while `fit` trains it.

    It records what really trains the model, inside the train step, without a second pass and
    without changing the training: each variable's gradient and update, each layer's output and what
    is backpropagated to it. Of tensors a sketch is kept (`vg_keras.Sketch`), and TensorBoard shows
    all of it. By default steps 0, 1, 2, 5, 10, 20, 50 and 100 are recorded, and then as many as
    cost 1 % of the training time; `cost` says what it came to.

    The gradient is that of the whole batch, as the optimizer is handed it: before its clipping and
    without loss scale. With `gradient_accumulation_steps` it is that of each single batch. A step
    that is due but applies no optimizer is recorded at the next one that does.

    A copy of a monitor, such as KerasTuner makes for each trial, writes to a subdirectory of
    `log_dir` of its own: `copy_1`, `copy_2`, and so on.

    Args:
        log_dir: Directory of the TensorBoard log, local or one that `tf.io.gfile` can write to;
            its run is the subdirectory `gradients`. None writes nothing to disk and only keeps
            `records`.
        update_freq: "auto" records as many steps as the budget allows: the first one, those 1, 2,
            5, 10, 20, 50 and 100 later, and so on until they lie one interval apart, and then the
            multiples of that interval, which is one of 1, 2, 5, 10, 20, 50, ... Where several
            workers train together, it is 100. "epoch" records the first step of each epoch, "batch"
            every step, and a positive integer the first step and its multiples.
        variables: Which trainable variables to monitor: None for all of them, a shell pattern of
            `variable.path` such as `"*/kernel"`, a list of patterns, or a function from a
            `keras.Variable` to bool.
        exclude: Patterns of the paths of variables and layers that are not to be monitored.
        budget: With "auto", the share of the training time that recording may take, after the first
            100 steps and without the tracing at the start. It is measured while the model trains.
        activations: Whether to monitor the outputs of layers and what is backpropagated to them.
            True stands for all layers that have weights or are an activation; patterns of
            `layer.path`, or a function from a `keras.Layer` to bool, choose among them.
        updates: Whether to monitor how far each update moves each variable.
        weights: Whether to monitor the variables themselves too.
        optimizer_state: Whether to monitor what the optimizer keeps of each variable as "momentum"
            and "velocity": of Adam, the first and second moments of the gradient.
        probe: A fixed batch whose gradients are taken at each recorded step, `(x, y)` or
            `(x, y, sample_weight)` or a `vg_keras.Probe`; its run is the subdirectory `probe`.
        charts: Which kinds of charts to write, out of `vg_keras.events.KINDS`; None for all. What
            `read_run` reads is written in any case. Of a long training charts are written with some
            of the records, as TensorBoard would keep no more of them.
        histogram_freq: How often histograms are written, as in `keras.callbacks.TensorBoard`: with
            the first record of every so many epochs, or never if 0. None writes them with each
            record that has charts.

    Attributes:
        records: The `vg_keras.Record`s in step order. They continue over several calls of `fit` on
            one model and are cleared for another model. Where they would take more
            than 100 MB, every second of them is dropped here, though not on disk.
        probe_records: The same of the probe.
        cost: What it has cost: a `vg_keras.Cost`. It stands in the log too.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `update_freq`, `budget`, `charts`, `histogram_freq` or `probe` is none of the
            above. At the beginning of `fit`: `log_dir` can't be written to, or a filter matches
            nothing.
        RuntimeError: Keras runs on another backend than TensorFlow.

    Example:
        >>> monitor = GradientMonitor()
        >>> model.fit(x, y, callbacks=[monitor])  # doctest: +SKIP
        >>> monitor.records[0].gradients["sequential/dense/kernel"].norm  # doctest: +SKIP
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = "logs",
        update_freq: int | str = "auto",
        variables: Filter = None,
        *,
        exclude: str | Sequence[str] = (),
        budget: float = 0.01,
        activations: bool | Filter = True,
        updates: bool = True,
        weights: bool = False,
        optimizer_state: bool = False,
        probe: Probe | tuple[Any, ...] | None = None,
        charts: Collection[str] | None = None,
        histogram_freq: int | None = None,
    ) -> None:
        super().__init__()
        check_backend()
        self.update_freq = update_freq
        self.budget = checked_budget(budget)
        self.probe = as_probe(probe)
        self._choice = Choice(
            checked_filter(variables, "variables", "variable"),
            activations
            if isinstance(activations, bool)
            else checked_filter(activations, "activations", "layer"),
            updates,
            weights,
            optimizer_state,
            checked_patterns(exclude, "exclude"),
        )
        path = None if log_dir is None else checked_path(log_dir)
        self._recorder = Recorder(
            path, checked_charts(charts), self.probe, HistogramRhythm(histogram_freq)
        )
        self._begin_schedule()

    def _begin_schedule(self) -> None:
        self._schedule = Schedule(self.update_freq)
        self._meter = CostMeter(self.budget)
        self._recorder.note_seconds = self._meter.note_elsewhere
        self._due = DueExecutions(self._recorder, self._schedule, self._meter)
        self._capture: Capture | None = None
        self._count = StepCount()
        self._trains: weakref.ref[keras.Model] | None = None
        self._watch: Watch | None = None
        self._is_first_epoch = True
        self._has_given_up = self._is_over = False

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy takes over: the settings and the records, and nothing of a model."""
        kept = {name: value for name, value in vars(self).items() if name not in _OF_TRAINING}
        return kept | {"params": None, "_model": None, "_recorder": copy.copy(self._recorder)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a copy, which writes to its own subdirectory of the original's `log_dir`."""
        self.__dict__.update(state)
        self._begin_schedule()

    @property
    def log_dir(self) -> str | None:
        """Directory of the TensorBoard log. A copy gets its own when training begins."""
        return self._recorder.log_dir

    @property
    def records(self) -> list[Record]:
        """What was recorded, in the order of the steps."""
        return self._recorder.records

    @property
    def probe_records(self) -> list[Record]:
        """What was recorded of the probe, in the order of the steps."""
        return self._recorder.probe_records

    def to_pandas(self) -> pd.DataFrame:
        """Returns the records as a table; see `vg_keras.frames.to_pandas`."""
        return to_pandas(self.records)

    @property
    def cost(self) -> Cost:
        """What the monitor has cost since it began to monitor the present model."""
        return Cost(
            fraction=self._meter.fraction,
            tracing_seconds=self._meter.tracing_seconds,
            num_records=self._recorder.num_records,
            num_bytes=self._recorder.num_bytes,
            interval=self._schedule.interval,
        )

    def set_model(self, model: keras.Model) -> None:
        """Resets the records if the model is another one.

        Raises:
            TypeError: If it is not a model of Keras 3.
        """
        check_model(model)
        self._begin_with(model)
        super().set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Attaches to the model and prepares the log. Invalid settings raise here."""
        claims.claim(self, self.model)
        put_back(self.model)  # a `fit` that was interrupted may have left a recording function
        self._recorder.close()
        self._follow_model()
        self._recorder.open(self.model.distribute_strategy)
        self._is_first_epoch, self._has_given_up, self._is_over = True, False, False
        self._due.reset(self.model.distribute_strategy)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Sets the number of the next step, and corrects it at each later epoch."""
        capture = self._follow_model()
        if self._is_first_epoch:  # not earlier: `BackupAndRestore` may come after `on_train_begin`
            self._is_first_epoch = False
            if self._count.begin(capture.observer.counts):
                self._recorder.resume_from(self._count.next)
        else:
            self._end_epoch(capture)  # unless `on_epoch_end` was not called
        self._schedule.begin_or_resume(self._count.next)
        self._recorder.histograms.begin_epoch(epoch)

    # Without an `on_train_batch_end`: if a callback has one, Keras waits for each step to finish.
    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Arms the recording of this execution if one of its steps is due.

        Raises:
            RuntimeError: If another thread trains the same model, or with this monitor.
        """
        claims.check(self, self.model)
        if self._is_over:
            self._warn_of_inner_fit()
            return
        num_steps = self.model.steps_per_execution
        start = self._count.take(num_steps)
        due = self._schedule.due(start, num_steps)
        if due is None or self._has_given_up:
            self._due.pass_over()
            return
        capture = self._follow_model()
        self._due.begin(start, num_steps, capture.observer)
        try:
            capture.record_next(due, start, batch, self._due)
        except OccupiedError:
            self._recorder.warn_once(
                f"Another GradientMonitor records a step of the model {self.model.name!r}, so this "
                "one does not. Give `fit` one monitor, or let them record at different steps."
            )
        except NotCalledError:
            self._give_up()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Stops the clock: validation is no training."""
        self._due.pause()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends the epoch, before other callbacks may stop the training for its result."""
        if self._capture is not None and not self._is_over:
            self._due.pause()
            self._recorder.wait()
            self._end_epoch(self._capture)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the event file."""
        if self._is_over:
            return
        self._is_over = True
        if self._capture is not None and not self._is_first_epoch:
            self._end_epoch(self._capture)
            self._count.end(self._capture.observer.counts)
        if put_back(self.model):
            self._give_up()
        self._recorder.close(self.cost)
        claims.release(self, self.model)

    def _end_epoch(self, capture: Capture) -> None:
        if not self._count.is_in_epoch:
            return
        num_steps = self.model.steps_per_execution
        # Reading what the optimizers have counted waits for the last step.
        counts = capture.observer.counts if num_steps > 1 else {}
        params = self.params or {}
        # Without "steps" it is not Keras's own `fit`, which alone runs into the end of the data.
        is_stopped = "steps" not in params or bool(self.model.stop_training)
        self._count.end_epoch(num_steps, params.get("steps"), is_stopped, counts)

    def _warn_of_inner_fit(self) -> None:
        self._recorder.warn_once(
            f"Another `fit`, of the model {self.model.name!r}, has used the same GradientMonitor "
            "within this one, so nothing more is recorded here. Give each `fit` its own monitor."
        )

    def _give_up(self) -> None:
        self._has_given_up = True
        self._recorder.warn_once(
            f"The training loop of the model {self.model.name!r} did not call "
            "`model.train_function` after `on_train_batch_begin`: nothing is recorded. A loop that "
            "calls another function can be monitored by `GradientMonitor.watch`."
        )

    def watch(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer | Sequence[keras.optimizers.Optimizer] | None = None,
    ) -> Watch:
        """Attaches the monitor to a model that a loop written by hand trains.

        The records go on over several calls for one model, such as one for each epoch.

        Args:
            model: The model. Under a distribution strategy it must be built.
            optimizer: The optimizer, or several of them. By default those that the model is
                compiled with or keeps as attributes.

        Returns:
            A context manager whose `step()` is a context manager for each train step.

        Raises:
            TypeError: If `model` is not a Keras 3 model, or `optimizer` is not a Keras optimizer.
            ValueError: If there is no optimizer, or a filter matches nothing. On entering: if
                `log_dir` can't be written to.
            RuntimeError: If this monitor watches another model at the moment.

        Example:
            >>> with monitor.watch(model, optimizer) as watch:  # doctest: +SKIP
            ...     for x, y in batches:
            ...         with watch.step():
            ...             train_step(x, y)
        """
        check_model(model)
        optimizers = checked_optimizers(model, optimizer)
        if self._watch is not None and self._watch.is_open and self._watch.model is not model:
            raise RuntimeError(
                f"This GradientMonitor watches the model {self._watch.model.name!r} already. "
                "Give each model a monitor of its own, or leave the other watch first."
            )
        self._begin_with(model)
        strategy = model.distribute_strategy
        if strategy.num_replicas_in_sync > 1 and not is_built(model):
            raise ValueError(
                f"Expected a built model under a distribution strategy. Received: {model.name!r}, "
                "which is not built. Call it once on a batch, in the scope of the strategy."
            )
        observer = loop_observer(model, optimizers, self._choice, self._schedule.every)
        if not self._recorder.is_probing:
            self._probe(model)
        used = self, model
        self._watch = Watch(
            observer,
            self._count,
            self._schedule,
            self._due,
            self._recorder,
            lambda: self.cost,
            used,
        )
        return self._watch

    def _begin_with(self, model: keras.Model) -> None:
        """Begins anew unless it is the model that was trained last."""
        if self._trains is None or self._trains() is not model:
            self._capture = None
            self._count = StepCount()
            self._schedule.reset()
            self._schedule.interval = None
            self._meter.reset()
            self._recorder.begin_anew()
            self._trains = weakref.ref(model)

    def _probe(self, model: keras.Model) -> None:
        if self.probe is not None:
            self._recorder.probe_by(ProbePass(model, self.probe, self._choice))

    def _follow_model(self) -> Capture:
        """Returns what records the model as it is now compiled."""
        if self._capture is None or not self._capture.serves(self.model):
            self._capture = capture_of(self.model, self._choice, self._schedule.every)
            self._schedule.reset()
            self._meter.begin()
            self._probe(self.model)
        return self._capture

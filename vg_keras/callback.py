"""The Keras callback: the arguments that users pass, and the hooks that `fit` calls.

`recording.py` decides what to record, `capture/` measures inside the train step, `training_log.py`
keeps the records, and `results.py` gives them to the user.
"""

from __future__ import annotations

import copy
import functools
import os
import weakref
from collections.abc import Collection, Sequence
from typing import Any

import keras

from vg_keras.alarm import Alarm, OnProblem, checked_on_problem, say
from vg_keras.arguments import (
    check_backend,
    check_model,
    checked_budget,
    checked_charts,
    checked_optimizers,
    checked_path,
    checked_patterns,
    warn_of_old_versions,
)
from vg_keras.capture import thread_claims
from vg_keras.capture.fit import FitCapture, capture_of
from vg_keras.capture.loop_capture import loop_observer
from vg_keras.capture.model_map import is_built
from vg_keras.capture.optimizers import optimizers_of
from vg_keras.capture.plan import Choice
from vg_keras.capture.probe_pass import ProbePass
from vg_keras.capture.train_function import NotCalledError, OccupiedError, restore
from vg_keras.filters import Filter, checked_filter
from vg_keras.log.chart_rhythm import HistogramRhythm
from vg_keras.loop import Watch
from vg_keras.probe import Probe, as_probe
from vg_keras.receiver import Receiver
from vg_keras.recording import Recording
from vg_keras.results import Results
from vg_keras.rules.examination import Examination, check_rules
from vg_keras.rules.rule import Rule

_OF_TRAINING = {"params", "_model", "_receiver", "_recording", "_capture", "_trains", "_watch"}
"""Attributes that belong to the current training run, and that a copy does not keep."""


class GradientMonitor(Results, keras.callbacks.Callback):
    """Records how gradients flow through a model while `fit` trains it.

    It records what actually trains the model, inside the train step, without a second pass and
    without changing the training: each variable's gradient and update, each layer's output and its
    backpropagated gradient. It keeps a sketch of each tensor (`vg_keras.Sketch`), and TensorBoard
    shows all of them. By default it records steps 0, 1, 2, 5, 10, 20, 50 and 100, and then as many
    as 1% of the training time allows; `cost` reports the actual cost.

    The gradient is that of the whole batch, as passed to the optimizer: before the optimizer's own
    clipping and without loss scale. With `gradient_accumulation_steps` it is that of each batch. If
    no optimizer is applied in a due step, the next step that applies one is recorded instead.

    Each `fit` is a separate training run. Several of them, of one or more models and processes,
    may share a `log_dir`; `run` and `vg_keras.read_run` keep them apart. A copy of a monitor, such
    as KerasTuner makes for each trial, writes to its own subdirectory of `log_dir`: `copy_1`,
    `copy_2`, and so on.

    Args:
        log_dir: Directory of the TensorBoard log, local or any that `tf.io.gfile` can write to. The
            TensorBoard run is its subdirectory `gradients`. None keeps records in memory only.
        update_freq: "auto" records as many steps as the budget allows: the first one, those 1, 2,
            5, 10, 20, 50 and 100 later, and so on up to an interval of 1, 2, 5, 10, 20, 50, ...
            steps, and then the multiples of that interval. If several workers train together, the
            interval is 100. "epoch" records the first step of each epoch, "batch" every step, and a
            positive integer the first step and every multiple of that number.
        variables: Which trainable variables to monitor: None for all of them, a shell pattern of
            `variable.path` such as `"*/kernel"`, a list of patterns, or a function from a
            `keras.Variable` to bool.
        exclude: Patterns of the paths of variables and layers to leave out.
        budget: With "auto", the fraction of the training time that recording may take, not counting
            the first 100 steps and the tracing at the start. It is measured while the model trains.
        activations: Whether to monitor the outputs of layers and their gradients. True selects all
            layers that have weights or are an activation; patterns of `layer.path`, or a function
            from a `keras.Layer` to bool, select among them.
        updates: Whether to monitor how far each update moves each variable.
        weights: Whether to monitor the values of the variables too.
        optimizer_state: Whether to monitor the "momentum" and "velocity" that the optimizer keeps
            for each variable: for Adam, the first and second moments of the gradient.
        probe: A fixed batch whose gradients are computed at each recorded step: `(x, y)`,
            `(x, y, sample_weight)` or a `vg_keras.Probe`. Its run is the subdirectory `probe`.
        charts: Which kinds of charts to write, out of `vg_keras.log.charts.KINDS`, or "all". None
            for `vg_keras.log.charts.DEFAULT_KINDS`: whether the gradient reaches the first layers,
            and three numbers or histograms for each layer. What `read_run` reads is always written.
            In a long training run only some records have charts, since TensorBoard would not keep
            more of them.
        on_problem: What to do about a problem that a rule finds; see `vg_keras.rules`. "warn"
            prints it, once, "stop" prints it and stops training, "raise" raises a
            `vg_keras.TrainingProblem`, None does nothing. A function is called with each
            `vg_keras.rules.Diagnosis`. Training is stopped, or an error raised, only for problems
            of severity "error". In a custom loop, "stop" sets `model.stop_training`, which the loop
            must look at.
        rules: Rules that replace the default ones of the same code, such as
            `vg_keras.rules.VanishingGradient(decades=4)`, or that are added to them.
        ignore: Codes of rules to silence, such as `"VG201"`. `"VG201:encoder/*"` silences a rule
            for the layers and variables whose path matches the pattern.
        histogram_freq: How often to write histograms, as in `keras.callbacks.TensorBoard`: with the
            first record of every n-th epoch, or never if 0. None writes them with each record
            that has charts.

    Attributes:
        run: The training runs of this monitor: a `vg_keras.Run`, as `vg_keras.read_run(log_dir)`
            returns it.
        records: The `vg_keras.Record`s of the current model that are in memory, over all calls of
            `fit`. If they would take more than 100 MB, every second one is dropped from memory;
            `run` reads it back from the log.
        diagnoses: The problems of the current training run: `vg_keras.rules.Diagnosis` objects, the
            most serious first.
        verdict: The same with what was examined, as `print(monitor)` shows it.
        probe_run: The same as `run`, for the probe.
        probe_records: The same as `records`, for the probe.
        cost: The cost of recording so far: a `vg_keras.Cost`. It is written to the log too.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If `update_freq`, `budget`, `charts`, `on_problem`, `ignore`, `histogram_freq`
            or `probe` has an invalid value. At the beginning of `fit`: if `log_dir` can't be
            written to, or a filter matches nothing.
        RuntimeError: If Keras does not run on the TensorFlow backend.

    Example:
        >>> monitor = GradientMonitor()
        >>> model.fit(x, y, callbacks=[monitor])  # doctest: +SKIP
        >>> training = monitor.run.latest  # doctest: +SKIP
        >>> training.records[0].gradients["sequential/dense/kernel"].norm  # doctest: +SKIP
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
        on_problem: OnProblem = "warn",
        rules: Sequence[Rule] = (),
        ignore: str | Sequence[str] = (),
        histogram_freq: int | None = None,
    ) -> None:
        super().__init__()
        check_backend()
        warn_of_old_versions()
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
        rhythm = HistogramRhythm(histogram_freq)
        rules, ignore = tuple(rules), (ignore,) if isinstance(ignore, str) else tuple(ignore)
        check_rules(rules, ignore)
        examine = functools.partial(Examination, rules=rules, ignore=ignore)
        alarm = Alarm(checked_on_problem(on_problem))
        self._set_up(Receiver(path, checked_charts(charts), self.probe, rhythm, examine, alarm))

    def _set_up(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._recording = Recording(self.update_freq, self.budget, receiver)
        self._capture: FitCapture | None = None
        self._trains: weakref.ref[keras.Model] | None = None
        self._watch: Watch | None = None
        self._is_first_epoch = True
        self._has_given_up = self._is_over = False

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy keeps: the settings and the records, but no model."""
        kept = {name: value for name, value in vars(self).items() if name not in _OF_TRAINING}
        return kept | {"_receiver": copy.copy(self._receiver)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a copy, which writes to its own subdirectory of the original's `log_dir`."""
        super().__init__()
        self.__dict__.update(state)
        self._set_up(state["_receiver"])

    def set_model(self, model: keras.Model) -> None:
        """Prepares for the model.

        Raises:
            TypeError: If it is not a Keras 3 model.
        """
        check_model(model)
        self._begin_with(model)
        super().set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Attaches to the model and prepares the log. Invalid settings raise here."""
        thread_claims.claim(self, self.model)
        restore(self.model)  # a `fit` that was interrupted may have left a recording function
        self._receiver.close()
        self._follow_model()
        self._recording.open(self.model)
        if self._is_verbose:
            self._introduce_log()
        self._receiver.alarm.clear()
        self._is_first_epoch, self._has_given_up, self._is_over = True, False, False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Sets the number of the next step, and corrects it at each later epoch."""
        capture, recording = self._follow_model(), self._recording
        if self._is_first_epoch:  # not earlier: `BackupAndRestore` may come after `on_train_begin`
            self._is_first_epoch = False
            recording.begin(capture.observer, self.model, optimizers_of(self.model))
        else:
            self._end_epoch(capture)  # unless `on_epoch_end` was not called
        recording.schedule.begin_or_resume(recording.count.next)
        self._receiver.histograms.begin_epoch(epoch)

    # No `on_train_batch_end`: if any callback has one, Keras waits for each step to finish.
    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Arms the recording of this execution if one of its steps is due.

        Raises:
            RuntimeError: If another thread trains the same model or uses this monitor.
        """
        thread_claims.check(self, self.model)
        if self._is_over:
            self._warn_of_inner_fit()
            return
        self._tell_of_problems()
        recording, num_steps = self._recording, self.model.steps_per_execution
        start = recording.count.take(num_steps)
        due = recording.schedule.due(start, num_steps)
        if due is None or self._has_given_up:
            recording.due.pass_over()
            return
        capture = self._follow_model()
        recording.due.begin(start, num_steps, capture.observer)
        try:
            capture.record_next(due, start, batch, recording.due)
        except OccupiedError:
            self._receiver.notices.warn_once(
                f"Another GradientMonitor records a step of the model {self.model.name!r}, so this "
                "one does not. Pass one monitor to `fit`, or let them record at different steps."
            )
        except NotCalledError:
            self._give_up()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Stops the clock: validation is not training time."""
        self._recording.due.pause()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends the epoch before other callbacks may stop training because of its results."""
        if self._capture is not None and not self._is_over:
            self._recording.due.pause()
            self._receiver.wait()
            self._end_epoch(self._capture)
            self._tell_of_problems()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Ends the training run and closes the event file."""
        if self._is_over:
            return
        self._is_over = True
        observer = None
        if self._capture is not None and not self._is_first_epoch:
            self._end_epoch(self._capture)
            observer = self._capture.observer
        if restore(self.model):
            self._give_up()
        self._recording.close(observer)
        thread_claims.release(self, self.model)
        self._tell_of_problems(is_mid_line=False)
        if self._is_verbose and self.verdict.num_records:
            say(str(self))

    @property
    def _is_verbose(self) -> bool:
        return bool((self.params or {}).get("verbose"))

    def _tell_of_problems(self, is_mid_line: bool = True) -> None:
        # With verbose=2 there is no progress bar.
        has_progress_bar = (self.params or {}).get("verbose") in (1, "auto")
        self._receiver.alarm.give(self.model, is_mid_line and has_progress_bar)

    def _end_epoch(self, capture: FitCapture) -> None:
        count = self._recording.count
        if not count.is_in_epoch:
            return
        num_steps = self.model.steps_per_execution
        # Reading the optimizers' step counts waits for the last step to finish.
        counts = capture.observer.counts if num_steps > 1 else {}
        params = self.params or {}
        # Without "steps" this is not Keras's own `fit`, the only loop that can run out of data.
        is_stopped = "steps" not in params or bool(self.model.stop_training)
        count.end_epoch(num_steps, params.get("steps"), is_stopped, counts)

    def _introduce_log(self) -> None:
        introduction = self._receiver.log.introduction()
        if introduction is not None:
            say(introduction)

    def _warn_of_inner_fit(self) -> None:
        self._receiver.notices.warn_once(
            f"Another `fit`, of the model {self.model.name!r}, has used the same GradientMonitor "
            "within this one, so nothing more is recorded here. Give each `fit` its own monitor."
        )

    def _give_up(self) -> None:
        self._has_given_up = True
        self._receiver.notices.warn_once(
            f"The training loop of the model {self.model.name!r} did not call "
            "`model.train_function` after `on_train_batch_begin`: nothing is recorded. A loop that "
            "calls another function can be monitored by `GradientMonitor.watch`."
        )

    def watch(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer | Sequence[keras.optimizers.Optimizer] | None = None,
    ) -> Watch:
        """Attaches the monitor to a model that a custom training loop trains.

        It may be called once for the whole loop or once per epoch: as long as each loop continues
        where the previous one stopped, it is the same training run.

        Args:
            model: The model. Under a distribution strategy it must be built.
            optimizer: The optimizer, or a list of them. By default those that the model is compiled
                with or holds as attributes.

        Returns:
            A context manager whose `step()` is a context manager for each train step.

        Raises:
            TypeError: If `model` is not a Keras 3 model, or `optimizer` is not a Keras optimizer.
            ValueError: If there is no optimizer, or a filter matches nothing. On entering: if
                `log_dir` can't be written to.
            RuntimeError: If this monitor is already watching another model.

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
                f"This GradientMonitor is already watching the model {self._watch.model.name!r}. "
                "Use one monitor per model, or exit the other watch first."
            )
        self._begin_with(model)
        strategy = model.distribute_strategy
        if strategy.num_replicas_in_sync > 1 and not is_built(model):
            raise ValueError(
                f"Expected a built model under a distribution strategy. Received: {model.name!r}, "
                "which is not built. Call it once on a batch, in the scope of the strategy."
            )
        observer = loop_observer(model, optimizers, self._choice, self._recording.schedule.every)
        if not self._receiver.is_probing:
            self._probe(model)
        self._watch = Watch(
            self,
            model,
            optimizers,
            observer,
            self._recording,
            self._introduce_log,
            lambda: self._receiver.alarm.give(model),
        )
        return self._watch

    def _begin_with(self, model: keras.Model) -> None:
        """Resets everything unless `model` is the one that was trained last."""
        if self._trains is None or self._trains() is not model:
            self._capture = None
            self._recording.reset()
            self._trains = weakref.ref(model)

    def _probe(self, model: keras.Model) -> None:
        if self.probe is not None:
            self._receiver.probe_by(ProbePass(model, self.probe, self._choice))

    def _follow_model(self) -> FitCapture:
        """Returns the capture for the model as it is compiled now."""
        if self._capture is None or not self._capture.serves(self.model):
            self._capture = capture_of(self.model, self._choice, self._recording.schedule.every)
            self._recording.retrace()
            self._probe(self.model)
        return self._capture

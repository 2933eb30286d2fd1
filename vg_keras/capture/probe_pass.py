"""Measures a probe batch: the third of three entry points.

Runs a forward and a backward pass that change nothing in the model. The others are `fit.py` and
`loop_capture.py`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from vg_keras.capture.due_steps import EveryStep
from vg_keras.capture.model_map import is_built
from vg_keras.capture.observer import Observer
from vg_keras.capture.plan import Choice
from vg_keras.probe import Probe


class ProbePass:
    """Forward and backward pass on a probe batch.

    Args:
        model: A compiled model, or one that a custom loop trains.
        probe: The probe.
        choice: What to measure. Its `updates` and `optimizer_state` don't apply to a probe.

    Raises:
        ValueError: If a filter matches nothing.
    """

    def __init__(self, model: keras.Model, probe: Probe, choice: Choice) -> None:
        self._model = model
        self._probe = probe
        self.choice = dataclasses.replace(choice, updates=False, optimizer_state=False)
        self._observer: Observer | None = None
        self._seeds: list[tuple[keras.Variable, tf.Tensor]] = []
        self._pass: Any = None

    @property
    def observer(self) -> Observer:
        """The observer of the pass, created at the first access."""
        return self._observer or self._prepare()

    def run(self, step: int) -> None:
        """Measures the gradients at the current weights. The observer then holds the rows.

        Args:
            step: The number of the next step.
        """
        observer = self.observer
        observer.begin_execution(step)
        with observer.watching():
            self._pass()

    def _prepare(self) -> Observer:
        model = self._model
        if not is_built(model):
            one = keras.tree.map_structure(lambda values: values[:1], self._probe.x)
            model(one, training=False)
        # Outside the scope of a strategy: the pass runs once, not in every replica.
        strategy = tf.distribute.get_strategy()
        self._observer = Observer(model, [], self.choice, EveryStep(), strategy)
        weights = {id(v) for v in model.weights}
        states = [v for v in model.non_trainable_variables if id(v) not in weights]
        self._seeds = [(v, tf.constant(tf.convert_to_tensor(v).numpy())) for v in states]
        if getattr(model, "run_eagerly", False):
            self._pass = self._forward_and_backward
        else:
            jit = bool(getattr(model, "jit_compile", False))
            self._pass = tf.function(self._forward_and_backward, jit_compile=jit, autograph=False)
            # Each monitor creates a new function, which the user can't avoid.
            self._pass._omit_frequent_tracing_warning = True  # private: TensorFlow 2.21
        return self._observer

    def gradients(self) -> dict[str, NDArray[Any]]:
        """Returns the gradients themselves, by path of the variable; without those of None."""
        variables, gradients = self._differentiated()
        path_of = self.observer.path_of
        pairs = zip(variables, gradients, strict=True)
        found = {path_of.get(id(v)): tf.convert_to_tensor(g) for v, g in pairs if g is not None}
        return {path: gradient.numpy() for path, gradient in found.items() if path is not None}

    def _forward_and_backward(self) -> None:
        self.observer.begin_step()
        variables, gradients = self._differentiated()
        self.observer.measure_gradients(gradients, variables)

    def _differentiated(self) -> tuple[list[keras.Variable], list[Any]]:
        """Returns the trainable variables and the gradients of the loss."""
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            # Assignments in this scope are discarded.
            values = [(v, tf.convert_to_tensor(v.value)) for v in variables]
            with keras.StatelessScope(values + self._seeds, collect_losses=True):
                loss = self._loss()
        return variables, tape.gradient(loss, [v.value for v in variables])

    def _loss(self) -> tf.Tensor:
        model, probe = self._model, self._probe
        if probe.loss is not None:
            return probe.loss(model, probe.x, probe.y)
        accepts_training = model._call_has_training_arg  # private: Keras 3.15, as in its train step
        how = {"training": probe.training} if accepts_training else {}
        predictions = model(probe.x, **how)
        return model.compute_loss(
            x=probe.x, y=probe.y, y_pred=predictions, sample_weight=probe.sample_weight
        )

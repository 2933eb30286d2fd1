"""Takes the gradients of a probe, by a forward and a backward pass that leave no trace."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from vg_keras.capture.due_steps import EveryStep
from vg_keras.capture.model_map import is_built
from vg_keras.capture.observer import Observer
from vg_keras.capture.plan import Choice
from vg_keras.probe import Probe


class ProbePass:
    """Takes the gradients of a probe.

    Args:
        model: A compiled model, or one that is trained by a custom loop.
        probe: The batch.
        choice: What is measured; a probe makes no updates.

    Raises:
        ValueError: A filter lets nothing through.
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
        """What measures the pass; it exists once `run` has been called."""
        return self._observer or self._prepare()

    def run(self, step: int) -> None:
        """Takes the gradients at the present weights; the observer then has the record.

        Args:
            step: The number of the step that comes next.
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
        # In no scope of a strategy: the pass runs once, not in every replica.
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
            # Each monitor has a function of its own; the user can't do anything about that.
            self._pass._omit_frequent_tracing_warning = True  # private: TensorFlow 2.21
        return self._observer

    def _forward_and_backward(self) -> None:
        self.observer.begin_step()
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            # Whatever is assigned in this scope goes no further.
            values = [(v, tf.convert_to_tensor(v.value)) for v in variables]
            with keras.StatelessScope(values + self._seeds, collect_losses=True):
                loss = self._loss()
        gradients = tape.gradient(loss, [v.value for v in variables])
        self.observer.measure_gradients(gradients, variables)

    def _loss(self) -> tf.Tensor:
        model, probe = self._model, self._probe
        if probe.loss is not None:
            return probe.loss(model, probe.x, probe.y)
        accepts_training = model._call_has_training_arg  # Keras 3.15; as in its own train step
        how = {"training": probe.training} if accepts_training else {}
        predictions = model(probe.x, **how)
        return model.compute_loss(
            x=probe.x, y=probe.y, y_pred=predictions, sample_weight=probe.sample_weight
        )

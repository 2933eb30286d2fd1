"""Sees the outputs of layers and what is backpropagated to them, in the step that trains.

A tap is an identity laid on a layer's output: forward it hands the value on, backward it sees
dL/d(output) and hands that on too. There is no second pass, and any train step will do. A tap on
what a regulariser is given sees in the same way what it adds to the gradient of its variable.

Taps are laid while a step is traced, or run eagerly, and are taken up again right after. They only
collect tensors; what becomes of these is for `observer.py` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from vg_keras.capture.calls import Call, Derivative, tensors_behind
from vg_keras.capture.layers import inner_layers, is_observed, regularized_variables
from vg_keras.capture.per_step import PerStep


@dataclass
class _Step:
    """What the taps have seen of a step.

    Nothing here knows the model: TensorFlow never forgets the gradient function of a tap that was
    laid while a graph was traced, nor whatever that function knows.
    """

    calls: dict[int, list[Call]] = field(default_factory=dict)
    penalties: dict[int, list[tf.Tensor]] = field(default_factory=dict)
    number: int = 0
    last_taken: int = -1


@dataclass
class _Laying:
    """What was replaced while the taps are laid.

    Args:
        stack: Puts it back.
        calls: The layers' own `call`.
    """

    stack: ExitStack
    calls: dict[keras.layers.Layer, Callable[..., Any]] = field(default_factory=dict)


class Taps:
    """The taps of a model.

    Args:
        model: The model, built or not.
        observes: Tells whether a layer's output is wanted.
    """

    def __init__(
        self, model: keras.Model, observes: Callable[[keras.layers.Layer], bool] = is_observed
    ) -> None:
        self._model = model
        self._observes = observes
        self._steps = PerStep(_Step)
        self._laying = _Laying(ExitStack())
        self._tapped_calls: dict[keras.layers.Layer, Callable[..., Any]] = {}
        self.called: dict[int, None] = {}
        """The ids of the layers that were called, in the order of their first calls."""
        self.seen: set[int] = set()
        """The ids of the layers whose calls could be taken."""

    def begin_step(self) -> None:
        """Forgets what this thread has seen."""
        self._steps.begin()

    @contextmanager
    def laid(self) -> Iterator[None]:
        """Lays the taps. On leaving, also by an exception, the model is as it was."""
        with ExitStack() as stack:
            self._laying = _Laying(stack)
            self._lay(self._model)
            try:
                yield
            finally:
                self._steps.forget()  # eager tensors are not to be kept

    def _lay(self, layer: keras.layers.Layer) -> None:
        laying = self._laying
        if layer in laying.calls:
            return
        laying.calls[layer] = layer.call
        # Into the instance's own dictionary, past the attribute tracking of Keras objects.
        theirs = vars(layer).get("call")
        if layer not in self._tapped_calls:
            self._tapped_calls[layer] = self._tapped_call(layer)
        vars(layer)["call"] = self._tapped_calls[layer]
        laying.stack.callback(_restore, layer, theirs)
        self._lay_inside(layer)

    def _tapped_call(self, layer: keras.layers.Layer) -> Callable[..., Any]:
        """Returns what stands in for the `call` of a layer."""

        # The loop around may be a tf.function, which rewrites whatever Python code it calls.
        @tf.autograph.experimental.do_not_convert
        def tapped_call(*args: Any, **kwargs: Any) -> Any:
            # What is inside of this layer may have been made since, in its `build`.
            self._lay_inside(layer)
            outputs = self._laying.calls[layer](*args, **kwargs)
            return self._tapped(layer, outputs) if self._observes(layer) else outputs

        return tapped_call

    def _lay_inside(self, layer: keras.layers.Layer) -> None:
        for inner in inner_layers(layer):
            self._lay(inner)
        for variable in regularized_variables(layer):
            if not isinstance(variable.regularizer, _TappedRegularizer):
                _replace_regularizer(variable, self, self._laying.stack)

    def _tapped(self, layer: keras.layers.Layer, outputs: Any) -> Any:
        """Lays a tap on the first floating tensor of a layer's outputs, if its rank is known."""
        flat = keras.tree.flatten(outputs)
        for place, output in enumerate(flat):
            if isinstance(output, tf.Tensor) and output.dtype.is_floating:
                if output.shape.rank is None:
                    return outputs
                flat[place] = self._tapped_output(layer, output)
                return keras.tree.pack_sequence_as(outputs, flat)
        return outputs

    def _tapped_output(self, layer: keras.layers.Layer, output: tf.Tensor) -> tf.Tensor:
        steps, step, call = self._steps, self._steps.here(), Call(output)
        step.calls.setdefault(id(layer), []).append(call)
        self.called.setdefault(id(layer))

        def receiver(by_logits: bool) -> Callable[[tf.Tensor], None]:
            def receive(gradient: tf.Tensor) -> None:
                if steps.here() is step:  # else it was made in a loop or a function of its own
                    call.derivatives.append(Derivative(gradient, by_logits, step.number))
                    step.number += 1

            return receive

        if not hasattr(output, "_keras_logits") and _kind_of_operation(output) in _OUTPUTS:
            return output
        tapped = _identity_with(output, receiver(by_logits=False))
        # What Keras 3.15 hands on along with a tensor: `_keras_mask` to the next layer and
        # `_keras_logits` to the loss, which otherwise would be another, less exact one.
        for name, value in vars(output).items():
            if name.startswith("_keras"):
                setattr(tapped, name, value)
        if hasattr(output, "_keras_logits"):
            tapped._keras_logits = _identity_with(output._keras_logits, receiver(by_logits=True))
        return tapped

    def tapped_penalty(self, variable: keras.Variable, value: tf.Tensor) -> tf.Tensor:
        """Lays a tap on the value of a variable that its regulariser is given."""
        steps, step, key = self._steps, self._steps.here(), id(variable)

        def receive(gradient: tf.Tensor) -> None:
            if steps.here() is step:
                step.penalties.setdefault(key, []).append(gradient)

        return _identity_with(value, receive)

    def take_calls(
        self, layers: Sequence[keras.layers.Layer], gradients: Sequence[tf.Tensor] = ()
    ) -> dict[int, list[Call]]:
        """Returns the calls of these layers that belong to the gradients just handed over.

        Those through which the loss was differentiated since the last take, or else ever in this
        step, or else all. A forward pass that `recompute_grad` repeats is thereby counted once, and
        a GAN's critic counts with the loss that trains it, not with its generator's. Where one call
        was differentiated several times, the derivative counts of which the gradients are made;
        eagerly, where that is not known, the last one.

        Args:
            layers: The layers.
            gradients: The gradients.

        Returns:
            The calls by the id of the layer; no entry for a layer without any.
        """
        step = self._steps.here()
        self.seen.update(step.calls)
        taken = {}
        for layer in layers:
            calls = step.calls.pop(id(layer), [])
            differentiated = [call for call in calls if call.derivatives]
            latest = [call for call in differentiated if call.number > step.last_taken]
            if calls:
                taken[id(layer)] = latest or differentiated or calls
        step.last_taken = step.number - 1
        found = [call for calls in taken.values() for call in calls]
        is_ambiguous = any(call.is_ambiguous for call in found) and not tf.executing_eagerly()
        reached = tensors_behind(gradients) if is_ambiguous else None
        for call in found:
            call.choose(reached)
        return taken

    def take_penalty(self, variable: keras.Variable) -> tf.Tensor | None:
        """Returns what its regulariser adds to the gradient of a variable, or None."""
        penalties = self._steps.here().penalties.pop(id(variable), [])
        return tf.add_n(penalties) if penalties else None


class _TappedRegularizer(keras.regularizers.Regularizer):
    """Keras takes nothing but a Regularizer for `variable.regularizer`."""

    def __init__(
        self, regularizer: keras.regularizers.Regularizer, variable: keras.Variable, taps: Taps
    ) -> None:
        self._regularizer = regularizer
        self._variable = variable
        self._taps = taps

    def __call__(self, x: Any) -> Any:
        value = tf.convert_to_tensor(x)
        return self._regularizer(self._taps.tapped_penalty(self._variable, value))


def _replace_regularizer(variable: keras.Variable, taps: Taps, stack: ExitStack) -> None:
    regularizer = variable.regularizer
    variable.regularizer = _TappedRegularizer(regularizer, variable, taps)
    stack.callback(setattr, variable, "regularizer", regularizer)


def _restore(layer: keras.layers.Layer, theirs: Any) -> None:
    del vars(layer)["call"]
    if theirs is not None:
        vars(layer)["call"] = theirs


_OUTPUTS = ("Softmax", "Sigmoid")
"""Operations by which a loss of Keras 3.15 knows an output of `tf.nn`, to go on from its logits."""


def _kind_of_operation(output: tf.Tensor) -> str | None:
    return None if tf.executing_eagerly() else output.op.type


def _identity_with(value: tf.Tensor, receive: Callable[[tf.Tensor], None]) -> tf.Tensor:
    @tf.custom_gradient
    def identity(value: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            receive(upstream)
            return upstream

        return tf.identity(value), gradient

    return identity(value)

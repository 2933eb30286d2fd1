"""Notes the outputs of layers and the gradients backpropagated to them, in the step that trains.

The forward pass is unchanged: each layer's `call` is wrapped, and its output noted. The
backpropagated gradients come from the tape itself (`tape.py`): while a step is traced, or runs
eagerly, a `tf.GradientTape` also differentiates its target by the noted outputs. So a derivative
belongs to the same backward pass as the gradients that the optimizer receives, and nothing is
computed twice.

The penalties of regularizers are noted in the same way, for their part of a gradient.

Taps only collect tensors; `gather.py` decides what to do with them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from vg_keras.capture.calls import BackwardPass, Call, passes_behind, tensors_behind
from vg_keras.capture.layers import inner_layers, is_observed, regularized_variables
from vg_keras.capture.outputs import (
    is_inexact,
    logits_of,
    name_of_call,
    rows_of,
    values_of,
    with_keras_attributes,
)
from vg_keras.capture.patches import Method, replace_in_instance
from vg_keras.capture.regularizers import note_penalties
from vg_keras.capture.tape import listening_to_tapes
from vg_keras.capture.trace_local import TraceLocal
from vg_keras.capture.vectorized_map import (
    Conversion,
    following_conversions,
    single_rows,
)

SEVERAL_LOSSES = (
    "several losses were differentiated with respect to their outputs, and the gradients combined"
)
AMBIGUOUS = (
    "the gradients that the optimizer received do not come from an observed "
    "`tf.GradientTape.gradient` call of this step"
)


@dataclass
class _Step:
    """The calls, penalties and backward passes noted in a step, for one thread and graph."""

    calls: dict[int, list[Call]] = field(default_factory=dict)
    penalties: list[tuple[int, tf.Tensor]] = field(default_factory=list)
    passes: list[BackwardPass] = field(default_factory=list)
    running: list[BackwardPass] = field(default_factory=list)
    number: int = 0
    is_paused: bool = False

    def next_number(self) -> int:
        self.number += 1
        return self.number


@dataclass
class _Installation:
    """The methods that are replaced while the taps are installed.

    Args:
        stack: Restores the methods.
        calls: The original `call` of each layer.
    """

    stack: ExitStack
    calls: dict[keras.layers.Layer, Method] = field(default_factory=dict)


class Taps:
    """The taps of a model.

    Args:
        model: The model, built or not.
        observes: Returns whether to note the output of a layer.
        on_error: Called with errors of the taps themselves, which never reach the model. If None,
            they are raised.

    Attributes:
        called: The ids of the layers that were called, in the order of their first calls.
        seen: The ids of the layers whose calls could be taken.
        unusable: The reason why the output of a layer can't be measured, by the id of the layer.
        without_derivative: The reason why a layer has no activation gradient, by the layer's id.
        is_silent: Whether observation is suspended.
    """

    def __init__(
        self,
        model: keras.Model,
        observes: Callable[[keras.layers.Layer], bool] = is_observed,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self._model = model
        self._observes = observes
        self._on_error = on_error
        self._steps = TraceLocal(_Step)
        self._installation = _Installation(ExitStack())
        self._tapped_calls: dict[keras.layers.Layer, Method] = {}
        self._open_passes: list[BackwardPass] = []
        self.is_silent = False
        self.called: dict[int, None] = {}
        self.seen: set[int] = set()
        self.unusable: dict[int, str] = {}
        self.without_derivative: dict[int, str] = {}

    def begin_step(self) -> None:
        """Discards what was noted in this thread."""
        self._steps.begin()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Installs the taps. On exit, also after an exception, the model is restored."""
        with ExitStack() as stack:
            self._installation = _Installation(stack)
            self._install(self._model)
            stack.enter_context(listening_to_tapes(self))
            stack.enter_context(following_conversions(self._follow))
            try:
                yield
            finally:
                self._forget()

    def _forget(self) -> None:
        """Discards everything: eager tensors must not outlive the step."""
        for backward in self._open_passes:
            backward.close()
        self._open_passes.clear()
        self._steps.forget()

    def _install(self, layer: keras.layers.Layer) -> None:
        installation = self._installation
        if layer in installation.calls:
            return
        name = name_of_call(layer)
        installation.calls[layer] = getattr(layer, name)
        if layer not in self._tapped_calls:
            self._tapped_calls[layer] = self._tapped_call(layer)
        replace_in_instance(layer, name, self._tapped_calls[layer], installation.stack)
        self._install_inside(layer)

    def _install_inside(self, layer: keras.layers.Layer) -> None:
        for inner in inner_layers(layer):
            self._install(inner)
        for variable in regularized_variables(layer):
            note_penalties(variable, self.note_penalty, self._installation.stack)

    def _tapped_call(self, layer: keras.layers.Layer) -> Method:
        """Returns the replacement for the `call` of a layer."""

        # The caller may be a tf.function, whose AutoGraph rewrites any Python code that it calls.
        @tf.autograph.experimental.do_not_convert
        @functools.wraps(self._installation.calls[layer])
        def tapped_call(*args: Any, **kwargs: Any) -> Any:
            with self.guarded():
                # A layer may have created inner layers in the meantime, in its `build`.
                self._install_inside(layer)
            outputs = self._installation.calls[layer](*args, **kwargs)
            if self._observes(layer) and not self.is_silent:
                with self.guarded():
                    return self._noted(layer, outputs, (args, kwargs))
            return outputs

        return tapped_call

    def _noted(self, layer: keras.layers.Layer, outputs: Any, inputs: Any) -> Any:
        """Notes the first numeric tensor of a layer's outputs, and returns the outputs."""
        self.called.setdefault(id(layer))
        flat = keras.tree.flatten(outputs)
        places = [i for i, output in enumerate(flat) if is_inexact(values_of(output))]
        if not places:
            self.unusable[id(layer)] = "there is no floating-point tensor among them"
            return outputs
        output = flat[places[0]]
        if any(output is tensor for tensor in keras.tree.flatten(inputs)):
            # The layer returns its input. Gradients that bypass the layer must not count.
            output = with_keras_attributes(tf.identity(output), of=output)
        elif tf.executing_eagerly() and hasattr(output, "_keras_logits"):
            # Only a loss uses this copy, so it has a derivative only if the loss takes logits.
            output._keras_logits = tf.identity(output._keras_logits)
        flat[places[0]] = output
        step = self._steps.here()
        call = Call(values_of(output), logits_of(output), step.next_number(), rows_of(output))
        step.calls.setdefault(id(layer), []).append(call)
        return keras.tree.pack_sequence_as(outputs, flat)

    def note_penalty(self, variable: keras.Variable, penalty: Any) -> None:
        """Notes a penalty that the regularizer of a variable has returned."""
        with self.guarded():
            step = self._steps.here()
            if is_inexact(penalty) and not step.is_paused and not self.is_silent:
                step.penalties.append((id(variable), penalty))

    def _follow(self, converted: Conversion) -> None:
        """Replaces outputs noted in a `tf.vectorized_map` with their conversions to all rows."""
        with self.guarded():
            if self.is_silent:
                return
            for calls in self._steps.here().calls.values():
                for call in calls:
                    call.value = converted(call.value)
                    call.logits = None if call.logits is None else converted(call.logits)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Suspends observation in all threads: this is not part of the recorded step."""
        before, self.is_silent = self.is_silent, True
        try:
            yield
        finally:
            self.is_silent = before

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Ignores backward passes and penalties: these are the monitor's own."""
        step = self._steps.here()
        step.is_paused = True
        try:
            yield
        finally:
            step.is_paused = False

    def begin_pass(self) -> BackwardPass | None:
        """Begins a backward pass.

        Returns:
            The pass with its additional sources, or None if there are none. In a nested pass, in
            which `tf.recompute_grad` repeats a part of the forward pass, these are only the
            repeated calls.
        """
        step = self._steps.here()
        since = step.running[0].number if step.running else 0
        calls = [c for of_layer in step.calls.values() for c in of_layer if c.number >= since]
        if self.is_silent or step.is_paused or not (calls or step.penalties):
            return None
        backward = BackwardPass(calls, list(step.penalties), step.next_number())
        step.running.append(backward)
        return backward

    def end_pass(self, backward: BackwardPass) -> None:
        """Ends a backward pass. The derivatives of a nested pass are added to the outer one."""
        step = self._steps.here()
        step.running.remove(backward)
        if step.running:
            step.running[0].include(backward)
        else:
            step.passes.append(backward)
            self._open_passes.append(backward)

    def abandon_pass(self, backward: BackwardPass) -> None:
        """Discards a backward pass that has failed."""
        self._steps.here().running.remove(backward)

    def take(
        self, layers: Sequence[keras.layers.Layer], gradients: Sequence[tf.Tensor]
    ) -> tuple[dict[int, list[Call]], list[BackwardPass]]:
        """Returns the calls that belong to the gradients that an optimizer receives.

        These are the calls through which the loss was differentiated in the backward passes that
        the gradients come from. So a forward pass repeated by `tf.recompute_grad` counts once, a
        GAN's critic is observed with the loss that trains it and not with the generator's, and of
        two passes before one update (SAM) the second one counts. For a layer that no gradient was
        backpropagated to, these are the calls that the loss was computed from.

        Args:
            layers: The layers that are trained by these gradients.
            gradients: The gradients; of IndexedSlices, the values.

        Returns:
            The calls by the id of the layer, without an entry for a layer that has none, and the
            backward passes.
        """
        step = self._steps.here()
        if not step.calls:  # the optimizer may be called in a branch of a `tf.cond`
            step = next((around for around in self._steps.around() if around.calls), step)
        _drop_single_rows(step)
        self.seen.update(key for key, calls in step.calls.items() if calls)
        with self.paused():
            passes = passes_behind(gradients, step.passes)
        taken = {}
        for layer in layers:
            calls = step.calls.pop(id(layer), [])
            chosen = self._choose(id(layer), calls, passes, step)
            if chosen:
                taken[id(layer)] = chosen
        for backward in passes:
            backward.close()
        return taken, passes

    def _choose(
        self, layer: int, calls: list[Call], passes: list[BackwardPass], step: _Step
    ) -> list[Call]:
        """Returns the calls of a layer that belong to these passes, each with its gradient."""
        self.without_derivative.pop(layer, None)
        if calls and not passes:
            self.without_derivative[layer] = AMBIGUOUS
        differentiated = []
        for call in calls:
            found = [d for p in passes if (d := p.derivative(call)) is not None]
            if found:
                differentiated.append(call)
                call.gradient = found[0]
            if len(found) > 1 or any(id(call) in p.ambiguous for p in passes):
                call.gradient = None
                self.without_derivative[layer] = SEVERAL_LOSSES
        return differentiated or _behind(calls, passes, step) or calls

    def take_penalties(self, passes: Sequence[BackwardPass]) -> dict[int, tf.Tensor]:
        """Returns dL/d(penalty), a scalar, by the id of the regularized variable.

        L is the loss that was differentiated in these passes.
        """
        found: dict[int, list[tf.Tensor]] = {}
        for backward in passes:
            for key, derivative in backward.by_penalty:
                found.setdefault(key, []).append(derivative)
        return {key: tf.add_n(parts) for key, parts in found.items()}

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keeps errors of the taps themselves from the model that they are installed in."""
        try:
            yield
        except Exception as error:
            if self._on_error is None:
                raise
            self._on_error(error)


def _behind(calls: list[Call], passes: list[BackwardPass], step: _Step) -> list[Call]:
    """Returns the calls whose outputs the losses of these passes were computed from."""
    if not passes or len(calls) < 2:
        return calls
    if tf.executing_eagerly():
        # In eager mode, take the calls between the previous pass and these passes.
        first = min(backward.number for backward in passes)
        before = max((p.number for p in step.passes if p.number < first), default=0)
        return [call for call in calls if before < call.number < first]
    behind = tensors_behind([target for p in passes for target in p.targets])
    return [call for call in calls if id(call.value) in behind]


def _drop_single_rows(step: _Step) -> None:
    """Discards calls in the body of a `tf.vectorized_map` that were not converted to all rows."""
    if tf.executing_eagerly():
        return
    dropped = single_rows([call.value for calls in step.calls.values() for call in calls])
    for layer, calls in step.calls.items():
        step.calls[layer] = [call for call in calls if id(call.value) not in dropped]

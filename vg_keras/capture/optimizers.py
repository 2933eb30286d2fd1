"""Sees the gradients that are handed to a model's optimizers, at the moment they are handed over.

Keras's own train step and a custom one, with one optimizer or several, all end in
`optimizer.apply(gradients, variables)`: there the gradients that train the model pass by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import keras
import tensorflow as tf

Gradient: TypeAlias = tf.Tensor | tf.IndexedSlices
"""A gradient as `tf.GradientTape` returns it; IndexedSlices where only some rows are concerned."""

GradientHook = Callable[
    [
        keras.optimizers.Optimizer,
        Sequence[Gradient | None],
        Sequence[keras.Variable],
        Callable[[], Any],
    ],
    Any,
]
"""Takes an optimizer, the gradients it is given (some may be None), their variables, and what it is
to call for the optimizer to do its work, whose result it returns."""


def optimizers_of(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """Returns the optimizers that train a model.

    These are the one it is compiled with and any other that it keeps as an attribute, also within a
    list or a dictionary, as a GAN with two of them does.
    """
    candidates = [getattr(model, "optimizer", None)]
    for value in vars(model).values():
        if isinstance(value, Mapping):
            candidates += list(value.values())
        elif isinstance(value, (list, tuple)):
            candidates += list(value)  # Keras keeps a wrapper of its own, which `+=` does not take
        else:
            candidates.append(value)
    found = {id(o): o for o in candidates if isinstance(o, keras.optimizers.Optimizer)}
    return list(found.values())


def step_counter(model: keras.Model) -> keras.Variable:
    """Returns what counts the steps of the optimizer that a model is compiled with, or its first.

    Raises:
        ValueError: The model has no optimizer.
    """
    optimizers = optimizers_of(model)
    if not optimizers:
        raise ValueError(
            f"Expected a model with an optimizer. Received: {model.name!r}, which has none, "
            "neither by `compile` nor as an attribute. Compile it with one."
        )
    return counter_of(optimizers[0])


def counter_of(optimizer: keras.optimizers.Optimizer) -> keras.Variable:
    """Returns the variable that counts the calls of an optimizer's `apply`.

    That is `optimizer.iterations`, except with gradient accumulation, where `iterations` counts one
    for several batches and is no variable.
    """
    # `_iterations` and `inner_optimizer`, of a LossScaleOptimizer: Keras 3.15.
    return getattr(optimizer, "inner_optimizer", optimizer)._iterations


@contextmanager
def intercepted(
    optimizers: Sequence[keras.optimizers.Optimizer], hook: GradientHook
) -> Iterator[None]:
    """Calls a hook instead of `apply` of these optimizers, with whatever is handed to it.

    In a `tf.function` the hook runs while the function is traced, and the tensors it makes become
    part of it. On leaving, also by an exception, the optimizers are as they were.
    """
    with ExitStack() as stack:
        for optimizer in optimizers:
            # Into the instance's own dictionary, past the attribute tracking of Keras objects.
            theirs = vars(optimizer).get("apply")
            vars(optimizer)["apply"] = _hooked_apply(optimizer, optimizer.apply, hook)
            stack.callback(_restore, optimizer, theirs)
        yield


def _restore(optimizer: keras.optimizers.Optimizer, theirs: Any) -> None:
    del vars(optimizer)["apply"]
    if theirs is not None:
        vars(optimizer)["apply"] = theirs


def _hooked_apply(
    optimizer: keras.optimizers.Optimizer, apply: Callable[..., Any], hook: GradientHook
) -> Callable[..., Any]:
    # The loop around may be a tf.function, which rewrites whatever Python code it calls.
    @tf.autograph.experimental.do_not_convert
    def hooked_apply(grads: Iterable[Any], trainable_variables: Iterable[Any] | None = None) -> Any:
        grads = list(grads)
        if trainable_variables is None:
            # `_trainable_variables` (Keras 3.15): those it was built with, in their order.
            variables = optimizer._trainable_variables
            return hook(optimizer, grads, variables, lambda: apply(grads))
        variables = list(trainable_variables)
        return hook(optimizer, grads, variables, lambda: apply(grads, variables))

    return hooked_apply


def loss_scale(optimizer: keras.optimizers.Optimizer) -> tf.Tensor | None:
    """Returns the number by which the loss is multiplied before it is differentiated.

    Returns:
        A scalar, or None where the loss is taken as it is.
    """
    # `scale_loss` hands the loss on untouched where there is no scale. It covers a fixed
    # `loss_scale_factor` and LossScaleOptimizer, which has its `dynamic_scale` only once built.
    one = tf.ones([])
    scale = optimizer.scale_loss(one)
    return None if scale is one else scale


def summed_over_replicas(gradients: list[Gradient]) -> list[Gradient]:
    """Returns what all replicas of a distribution strategy together hand to the optimizer.

    The loss that Keras differentiates in each replica is already divided by their number, so the
    sum is the gradient of the mean loss over the global batch.
    """
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1 or not gradients:
        return gradients
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)

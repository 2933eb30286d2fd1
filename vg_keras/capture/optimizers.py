"""Intercepts the gradients passed to optimizers, and reads the optimizers' state.

Every train step, Keras's own or custom, with one optimizer or several, ends in
`optimizer.apply(gradients, variables)`, which receives the gradients that train the model.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import tensorflow as tf

from vg_keras.capture.gradients import Gradient
from vg_keras.capture.model_map import is_built
from vg_keras.capture.patches import Method, SharedMethod, replace_in_instance

GradientHook = Callable[
    [
        keras.optimizers.Optimizer,
        Sequence[Gradient | None],
        Sequence[keras.Variable],
        Callable[[], Any],
    ],
    Any,
]
"""Function that takes an optimizer, its gradients (some may be None), their variables, and a
function that applies them, which the hook calls and whose result it returns."""


def optimizers_of(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """Returns the optimizers that train a model.

    These are the one it is compiled with and any that it keeps as an attribute, directly or in a
    list or dictionary, as a GAN with two optimizers does.
    """
    candidates = [getattr(model, "optimizer", None)]
    for value in vars(model).values():
        if isinstance(value, Mapping):
            candidates += list(value.values())
        elif isinstance(value, (list, tuple)):
            candidates += list(value)  # Keras stores a wrapper class, which `+=` does not accept
        else:
            candidates.append(value)
    found = {id(o): o for o in candidates if isinstance(o, keras.optimizers.Optimizer)}
    return list(found.values())


def checked_optimizers_of(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """Returns the optimizers that train a model.

    Raises:
        ValueError: If the model has none.
    """
    optimizers = optimizers_of(model)
    if not optimizers:
        raise ValueError(
            f"Expected a model with an optimizer. Received: {model.name!r}, which has none, "
            "neither by `compile` nor as an attribute. Compile it with one."
        )
    return optimizers


def build_optimizer(model: keras.Model) -> None:
    """Creates the variables of an optimizer that the first train step would create.

    A step that creates variables is traced twice. This is done only for Keras's own train step,
    which is known to pass all trainable variables to one optimizer.

    Args:
        model: A compiled model, built or not.
    """
    optimizer = getattr(model, "optimizer", None)
    is_custom = "train_step" in vars(model) or type(model).train_step is not keras.Model.train_step
    if is_custom or not isinstance(optimizer, keras.optimizers.Optimizer) or optimizer.built:
        return
    if is_built(model) and model.trainable_variables:
        # The name scope that Keras 3.15 builds it in; the paths of the variables start with it.
        with model.distribute_strategy.scope(), keras.name_scope(optimizer.name, caller=optimizer):
            optimizer.build(model.trainable_variables)


def counter_of(optimizer: keras.optimizers.Optimizer) -> keras.Variable:
    """Returns the variable that counts the calls of an optimizer's `apply`.

    This is `optimizer.iterations`, except with gradient accumulation, where `iterations` counts
    several batches as one and is not a variable.
    """
    return _innermost(optimizer)._iterations  # Keras 3.15


def _innermost(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Returns the inner optimizer of a LossScaleOptimizer, and any other unchanged."""
    return getattr(optimizer, "inner_optimizer", optimizer)  # Keras 3.15


def counts_of(optimizers: Iterable[keras.optimizers.Optimizer]) -> dict[int, int]:
    """Returns the step count of each optimizer, by the id of its counter variable."""
    counters = [counter_of(optimizer) for optimizer in optimizers]
    # Not int(): under a strategy it raises a TypeError.
    return {id(c): int(tf.convert_to_tensor(c).numpy()) for c in counters}


def moments_of(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]
) -> tuple[dict[int, keras.Variable], dict[int, keras.Variable]]:
    """Returns the "momentum" and "velocity" variables of an optimizer.

    Args:
        optimizer: A built optimizer.
        variables: Variables that it trains, in the order in which it was built for them.

    Returns:
        The momentums and the velocities that exist, by the id of the trained variable.
    """
    kept: dict[str, list[keras.Variable]] = {}
    for variable in _innermost(optimizer).variables:
        kept.setdefault(variable.path.rpartition("/")[2], []).append(variable)
    found: tuple[dict[int, keras.Variable], ...] = {}, {}
    for of_kind, suffix in zip(found, ("momentum", "velocity"), strict=True):
        for variable in variables:
            # The name that `Optimizer.add_variable_from_reference` of Keras 3.15 gives it.
            name = f"{getattr(variable, 'path', variable.name).replace('/', '_')}_{suffix}"
            if kept.get(name):
                of_kind[id(variable)] = kept[name].pop(0)
    return found[0], found[1]


@contextmanager
def intercepted(
    optimizers: Sequence[keras.optimizers.Optimizer], hook: GradientHook
) -> Iterator[None]:
    """Calls a hook instead of the `apply` of any optimizer.

    If optimizers are nested (LossScaleOptimizer), or `apply` calls that of its base class, only the
    outermost call reaches the hook. In a `tf.function` the hook runs while the function is traced,
    and the tensors it creates become part of it. On exit, also after an exception, everything is
    restored.

    Args:
        optimizers: Optimizers that are known to train the model. Optimizers kept elsewhere, such as
            in a global variable, are intercepted through their class.
        hook: The hook.
    """
    with ExitStack() as stack:
        for optimizer in optimizers:
            replace_in_instance(optimizer, "apply", _hooked_bound(optimizer, hook), stack)
        for method in _methods_of_all_classes():
            stack.enter_context(method.listened_to_by(hook))
        yield


_methods: dict[type, SharedMethod[GradientHook]] = {}
_running = threading.local()
"""The optimizers whose `apply` is running in this thread."""
_inner: Counter[int] = Counter()
"""The ids of the inner optimizers of running ones, in any thread: under a strategy, a
LossScaleOptimizer calls its inner optimizer in other threads."""


def _methods_of_all_classes() -> list[SharedMethod[GradientHook]]:
    """Returns the `apply` of every optimizer class that defines it."""
    classes = [kind for kind in keras.optimizers.Optimizer.__mro__ if "apply" in vars(kind)]
    ahead = [keras.optimizers.Optimizer]
    while ahead:
        kind = ahead.pop()
        ahead.extend(kind.__subclasses__())
        if "apply" in vars(kind) and kind not in classes:
            classes.append(kind)
    for kind in classes:
        if kind not in _methods:
            _methods[kind] = SharedMethod(kind, "apply", _hooked)
    return [_methods[kind] for kind in classes]


def _hooked(apply: Method, hooks: list[GradientHook]) -> Method:
    """Returns the replacement for the `apply` of a class."""

    # The caller may be a tf.function, whose AutoGraph rewrites any Python code that it calls.
    @tf.autograph.experimental.do_not_convert
    @functools.wraps(apply)
    def hooked_apply(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        own = functools.partial(apply, optimizer)
        return _call_hooks(optimizer, own, hooks, args, kwargs)

    return hooked_apply


def _hooked_bound(optimizer: Any, hook: GradientHook) -> Method:
    """Returns the replacement for the `apply` of one optimizer."""
    apply = optimizer.apply

    @tf.autograph.experimental.do_not_convert
    @functools.wraps(apply)
    def hooked_apply(*args: Any, **kwargs: Any) -> Any:
        return _call_hooks(optimizer, apply, [hook], args, kwargs)

    return hooked_apply


def _call_hooks(
    optimizer: Any,
    apply: Method,
    hooks: Sequence[GradientHook],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Calls the hooks around `apply`, unless an outer call has already done so.

    `apply` gets all arguments of the call: a user's own may take more than Keras's.
    """
    if _is_running(optimizer):
        return apply(*args, **kwargs)
    args, kwargs, gradients, variables = _arguments_of(apply, optimizer, args, kwargs)
    if gradients is None:
        return apply(*args, **kwargs)
    call: Callable[[], Any] = functools.partial(apply, *args, **kwargs)
    for hook in list(hooks):
        call = functools.partial(hook, optimizer, gradients, variables, call)
    with _marked_as_running(optimizer):
        return call()


def _arguments_of(
    apply: Method, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], list[Any] | None, list[Any]]:
    """Returns the arguments of `apply`, and the gradients and variables among them.

    The arguments are returned because an iterator among them can be read only once.

    Returns:
        The positional arguments, the keyword arguments, the gradients, or None if they can't be
        identified, and the variables.
    """
    names = _names_of_first_two(apply)
    args = tuple(_reusable(value) for value in args[:2]) + args[2:]
    kwargs = {k: _reusable(value) if k in names else value for k, value in kwargs.items()}
    given = dict(zip(names, args, strict=False)) | {k: kwargs[k] for k in names if k in kwargs}
    gradients: Any = given.get(names[0])
    variables: Any = given.get(names[1])
    if variables is None:
        # `_trainable_variables` (Keras 3.15): the variables it was built with, in order.
        variables = getattr(optimizer, "_trainable_variables", [])
    are_known = isinstance(gradients, Collection) and isinstance(variables, Collection)
    if not are_known or len(gradients) != len(variables):
        return args, kwargs, None, []  # the optimizer will raise an error
    return args, kwargs, list(gradients), list(variables)


def _names_of_first_two(apply: Method) -> tuple[str, str]:
    """Returns the names of the gradients and the variables among the parameters of `apply`."""
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = inspect.signature(apply).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind in kinds]
    return (names[0], names[1]) if len(names) > 1 else ("grads", "trainable_variables")


def _reusable(values: Any) -> Any:
    return list(values) if isinstance(values, Iterator) else values


def _is_running(optimizer: Any) -> bool:
    in_thread = getattr(_running, "optimizers", [])
    return _inner[id(optimizer)] > 0 or any(optimizer is one for one in in_thread)


@contextmanager
def _marked_as_running(optimizer: Any) -> Iterator[None]:
    inner = id(getattr(optimizer, "inner_optimizer", None))
    in_thread = getattr(_running, "optimizers", [])
    _running.optimizers = [*in_thread, optimizer]
    _inner[inner] += 1
    try:
        yield
    finally:
        _running.optimizers = in_thread
        _inner[inner] -= 1


def loss_scale(optimizer: keras.optimizers.Optimizer) -> tf.Tensor | None:
    """Returns the factor by which the loss is multiplied before it is differentiated.

    Returns:
        A scalar, or None if the loss is not scaled.
    """
    # Without a scale, `scale_loss` returns the same object. It covers a fixed `loss_scale_factor`
    # and LossScaleOptimizer, which has no `dynamic_scale` until it is built.
    one = tf.ones([])
    scale = optimizer.scale_loss(one)
    return None if scale is one else scale


def summed_over_replicas(gradients: list[Gradient]) -> list[Gradient]:
    """Returns the sums of the gradients over all replicas of a distribution strategy.

    The loss that Keras differentiates in each replica is already divided by the number of replicas,
    so the sum is the gradient of the mean loss over the global batch.
    """
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1 or not gradients:
        return gradients
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)

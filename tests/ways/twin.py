"""The expected contents of a step, from training a twin of the model without any part of vg_keras.

The twin runs eagerly. The outputs of its layers are kept unmodified, without taps, and one
persistent tape computes all derivatives. The monitor works differently.
"""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf


@dataclass
class Step:
    """Arrays in float64 by path: gradients and values of variables, outputs of layers."""

    gradients: dict
    outputs: dict
    output_gradients: dict
    before: dict = field(default_factory=dict)
    after: dict = field(default_factory=dict)


def expected_steps(way, steps):
    """Returns the expected contents of each of these steps."""
    model = way.fresh_model()
    found = {}
    for number in range(max(steps) + 1):
        batch = way.batch(number)
        if number in steps:
            with unchanged(model):
                step = way.derive(model, batch)
            step.before = values_of(model)
        way.train_on_batch(model, batch)
        if number in steps:
            step.after = values_of(model)
            found[number] = step
    return found


def derive_by_compiled_loss(model, batch):
    """Derives the compiled loss."""
    x, y, weight = batch
    return derive(model, lambda: model.compute_loss(x, y, model(x, training=True), weight))


def derive(model, loss_of, variables=None):
    """Derives a loss by the variables and by all layer outputs."""
    variables = model.trainable_variables if variables is None else variables
    with outputs_kept(model) as outputs, tf.GradientTape(persistent=True) as tape:
        loss = loss_of()
    kept = [(path, output) for path, calls in outputs.items() for output in calls]
    gradients = tape.gradient(loss, [v.value for v in variables])
    upstream = tape.gradient(loss, [output for _, output in kept])
    # If the loss is computed from the logits of a layer's output, it is derived by these instead.
    logits = [getattr(output, "_keras_logits", output) for _, output in kept]
    instead = tape.gradient(loss, logits)
    output_gradients = {}
    for (path, _), by_output, by_logits in zip(kept, upstream, instead, strict=True):
        gradient = by_logits if by_output is None else by_output
        if gradient is not None:
            output_gradients.setdefault(path, []).append(array(gradient))
    return Step(
        {v.path: array(g) for v, g in zip(variables, gradients, strict=True) if g is not None},
        {path: joined([array(output) for output in calls]) for path, calls in outputs.items()},
        {path: joined(parts) for path, parts in output_gradients.items()},
    )


@contextmanager
def outputs_kept(model):
    """Keeps the outputs of each call of each layer, by path."""
    outputs = {}
    with ExitStack() as stack:
        for layer in model._flatten_layers():
            vars(layer)["call"] = keeping(layer, layer.call, outputs)
            stack.callback(vars(layer).pop, "call")
        yield outputs


def keeping(layer, call, outputs):
    def keeping_call(*args, **kwargs):
        result = call(*args, **kwargs)
        first = keras.tree.flatten(result)[0]
        outputs.setdefault(layer.path or layer.name, []).append(first)
        return result

    return keeping_call


@contextmanager
def unchanged(model):
    """Restores all state afterwards: statistics, seeds, metrics, optimizers."""
    optimizers = [o for o in vars(model).values() if isinstance(o, keras.optimizers.Optimizer)]
    state = [
        *model.variables,
        *model.metrics_variables,
        *(v for o in optimizers for v in o.variables),
    ]
    before = [v.numpy() for v in state]
    yield
    for variable, value in zip(state, before, strict=True):
        variable.assign(value)


def values_of(model):
    return {v.path: array(v.value) for v in model.trainable_variables}


def array(tensor):
    return tf.cast(tf.convert_to_tensor(tensor), tf.float64).numpy()


def joined(parts):
    return parts[0] if len(parts) == 1 else np.concatenate([part.reshape(-1) for part in parts])

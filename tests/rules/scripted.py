"""Scripted training runs of small networks, sick and healthy, without TensorFlow."""

import math

import numpy as np
from scripted_records import model_of, sketch_of, training_of

from vg_keras.record import LayerDescription, Record, VariableDescription

DEPTH = 5
HIDDEN = [f"net/hidden_{i}" for i in range(1, DEPTH + 1)]
LAYERS = [*HIDDEN, "net/output"]
KERNELS = [f"{path}/kernel" for path in LAYERS]


def network(activation=None, kernel_initializer=None, layers=LAYERS, kind="Dense"):
    """The description of a network of equal layers of four units."""

    def variables(path):
        shapes = {"kernel": (4, 4), "bias": (4,)}
        return tuple(VariableDescription(f"{path}/{n}", s, "float32") for n, s in shapes.items())

    initializer = kernel_initializer and {"class_name": kernel_initializer, "config": {}}
    return model_of(
        *(
            LayerDescription(path, kind, activation, variables(path), (None, 4), initializer)
            for path in layers
        )
    )


MODEL = network()


def by_layer(factor, last=1.0):
    """Numbers for each layer, which shrink by a factor from each layer to the one before."""
    return [last * factor ** (DEPTH - 1 - i) for i in range(DEPTH)] + [last]


def record_at(step=0, signal=None, norms=None, updates=None, **quantities):
    """A record: dL/d(output), gradients and update ratios have these norms; 1 and 1e-3 if None."""

    def sketches(paths, values):
        return {p: sketch_of([v, 0.0]) for p, v in zip(paths, values or [1.0] * 6, strict=True)}

    fields = {
        "gradients": sketches(KERNELS, norms),
        "activation_gradients": sketches(LAYERS, signal),
        "activations": sketches(LAYERS, None),
        "update_norms": dict(zip(KERNELS, updates or [1e-3] * 6, strict=True)),
        "weight_norms": dict.fromkeys(KERNELS, 1.0),
    }
    return Record(step, 0.0, **fields | quantities)


def findings(rule, records, model=MODEL, **how):
    """What a rule finds in each record."""
    watch = rule.start(training_of(model=model, **how))
    return [watch(record) for record in records]


def with_nan(paths, place, value=math.nan):
    """Sketches of which one has an element that is not finite."""
    return {p: sketch_of([1.0, value if p == place else 1.0]) for p in paths}


def is_sick(rule, *records):
    """Whether a rule finds something in the last of these records."""
    return findings(rule, records)[-1] is not None


NOTHING = np.zeros(6).tolist()

"""What the tests of statistics share: three ways to run a function, and sketches by either side."""

import tensorflow as tf
from numpy_twin import bucket_counts, statistics

from vg_keras.sketch.sketch import AGGREGATES, Sketch
from vg_keras.statistics.tensor_sketch import sketch

EXACT = (
    "count",
    "finite",
    "nonfinite",
    "min",
    "max",
    "max_abs",
    "zeros",
    "nans",
    "positive_infinities",
    "negative_infinities",
)
"""The statistics that are right to the last bit."""


def in_modes(function):
    """The function as it runs eagerly, in a graph and under XLA."""
    return {
        "eager": function,
        "graph": tf.function(function),
        "xla": tf.function(function, jit_compile=True),
    }


MODES = in_modes(sketch)


def sketch_in(mode, values):
    """The sketch of an array, as TensorFlow makes it."""
    return Sketch.of(*MODES[mode](tf.constant(values)))


def sketch_of(values):
    """The sketch of an array, as the NumPy twin makes it."""
    known = statistics(values)
    return Sketch.of(bucket_counts(values), [known[name] for name in AGGREGATES])


def values_of(name, things):
    """One statistic of several sketches."""
    return {case: getattr(thing, name) for case, thing in things.items()}


def twins_of(name, cases):
    """The same of the twin."""
    return {case: statistics(values)[name] for case, values in cases.items()}

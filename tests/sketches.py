"""Helpers for the tests of statistics: three ways to run a function, sketches of both kinds."""

import tensorflow as tf
from numpy_twin import bucket_counts, statistics

from vg_keras.sketch.sketch import AGGREGATES, Sketch
from vg_keras.statistics.tensor_sketch import sketch

EXACT = (
    "count",
    "finite",
    "nonfinite",
    "finite_min",
    "finite_max",
    "finite_max_abs",
    "zeros",
    "nans",
    "positive_infinities",
    "negative_infinities",
)
"""The statistics that are bit-exact."""


def in_modes(function):
    """Returns the function as run eagerly, in a graph and under XLA."""
    return {
        "eager": function,
        "graph": tf.function(function),
        "xla": tf.function(function, jit_compile=True),
    }


MODES = in_modes(sketch)


def sketch_in(mode, values):
    """Returns the sketch of an array, computed by TensorFlow."""
    return Sketch.of(*MODES[mode](tf.constant(values)))


def sketch_of(values):
    """Returns the sketch of an array, computed by the NumPy twin."""
    known = statistics(values)
    return Sketch.of(bucket_counts(values), [known[name] for name in AGGREGATES])


def values_of(name, things):
    """Returns one statistic of several sketches."""
    return {case: getattr(thing, name) for case, thing in things.items()}


def twins_of(name, cases):
    """Returns one statistic of several arrays, computed by the twin."""
    return {case: statistics(values)[name] for case, values in cases.items()}

"""Scripted training runs for the figures."""

import numpy as np
from scripted_records import layer, model_of, training_of

from vg_keras import Record, Sketch

PATHS = ["first/kernel", "second/kernel"]
MODEL = model_of(layer("first", "kernel"), layer("second", "kernel"))


def sketch(norm, infinities=0):
    """The sketch of a tensor of this norm, with so many infinities."""
    counts = np.zeros(2048, np.int64)
    counts[508] = 1
    counts[1020] = infinities
    return Sketch.of(counts, [norm, norm, norm, norm, norm, 0, infinities, 0])


def record(step, *norms):
    """A record of the gradients of the first variables."""
    return Record(step, 0.0, dict(zip(PATHS, map(sketch, norms), strict=False)))


def training(*records):
    """A training run of these records."""
    return training_of(*records, model=MODEL)

"""Handmade models and records: nothing is trained, and TensorFlow is not used."""

import dataclasses
import math

import numpy as np

from vg_keras.record import (
    LayerDescription,
    ModelDescription,
    Record,
    Settings,
    Training,
    VariableDescription,
)
from vg_keras.sketch import buckets
from vg_keras.sketch.sketch import Sketch


def sketch_of(values):
    """The sketch of float32 values."""
    values = np.asarray(values, np.float32)
    counts = np.bincount(buckets.bucket_of(values), minlength=buckets.NUM_BUCKETS)
    finite = values[np.isfinite(values)].astype(np.float64)
    extremes = [finite.min(), finite.max()] if len(finite) else [math.nan, math.nan]
    sums = [finite.sum(), np.abs(finite).sum(), np.linalg.norm(finite)]
    zeros, positive, negative = (np.count_nonzero(values == x) for x in (0, np.inf, -np.inf))
    return Sketch.of(counts, [*sums, *extremes, zeros, positive, negative])


def layer(path, *names, activation=None, output_shape=None):
    """The description of a layer and its variables."""
    variables = tuple(VariableDescription(f"{path}/{name}", (3,), "float32") for name in names)
    return LayerDescription(path, "Dense", activation, variables, output_shape)


def model_of(*layers):
    """The description of a model of these layers."""
    return ModelDescription("small", layers)


MODEL = model_of(layer("dense", "kernel", activation="relu", output_shape=(None, 3)))


SETTINGS = Settings(versions={"keras": "3"})


def training_of(*records, model=MODEL, **how):
    """A training run of these records."""
    how = {"id": "20261126-120000-abcd", "began": 1.0, "settings": SETTINGS} | how
    return Training(model=model, records=records, **how)


def full_record(step=3):
    """Returns a record of MODEL with every kind of content, each with a distinct number."""
    variable, layer = "dense/kernel", "dense"
    return Record(
        step=step,
        wall_time=12.5,
        gradients={variable: sketch_of([3.0, 4.0])},
        data_loss_gradients={variable: sketch_of([6.0, 8.0])},
        regularization_gradients={variable: sketch_of([0.3, 0.4])},
        update_norms={variable: 0.5},
        weight_norms={variable: 2.0},
        weights={variable: sketch_of([0.0, 2.0])},
        first_moments={variable: sketch_of([-5.0, 5.0])},
        second_moments={variable: sketch_of([9.0])},
        activations={layer: sketch_of([0.0, 0.0, 7.0])},
        activation_gradients={layer: sketch_of([1.0, -1.0, 1.0, 0.0])},
        examples={layer: 8},
        saturated_units={layer: 0.25},
        dead_units={layer: 0.125},
        dead_unit_examples={layer: 16},
        loss=2.25,
        nonfinite_data=5,
        unit_spread={variable: 0.75},
    )


def contents(thing):
    """Returns a whole record, sketches too, in a form that compares bitwise, with NaN == NaN."""
    if isinstance(thing, Sketch):
        nonzero_buckets = [
            (a.dtype.name, a.tolist()) for a in (thing.nonzero_buckets, thing.nonzero_counts)
        ]
        return nonzero_buckets, np.array(thing.aggregates, np.float64).tobytes()
    if isinstance(thing, Record):
        return [(f.name, contents(getattr(thing, f.name))) for f in dataclasses.fields(thing)]
    if isinstance(thing, dict):
        return [(path, contents(of_path)) for path, of_path in thing.items()]
    return (type(thing), np.float64(thing).tobytes() if isinstance(thing, float) else thing)


def all_contents(records):
    """Returns the contents of several records."""
    return [contents(record) for record in records]

"""Small logs for the tests of the tab, written by hand."""

import dataclasses
import math

from handmade_logs import write_log
from scripted_records import layer, model_of, sketch_of, training_of

from vg_keras.log.writer import RecordWriter
from vg_keras.record import Record, VariableDescription
from vg_keras.rules import Diagnosis, Verdict

LAYERS = ("hidden_1", "hidden_2", "output")

VERDICT = Verdict(
    diagnoses=(
        Diagnosis(
            "VG101",
            "vanishing-gradient",
            "error",
            "almost no gradient reaches hidden_1.",
            ("hidden_1",),
            5,
            20,
            {"decades": 3.5},
            ("Use ReLU.",),
            "The activation is the cause.",
        ),
        Diagnosis(
            "VG201", "dead-units", "warning", "units are dead.", ("hidden_2/kernel",), 0, 5, {}, ()
        ),
    ),
    num_records=4,
    first_step=0,
    last_step=20,
)


def model(names=LAYERS, size=3):
    """The description of a model of Dense layers."""
    kernel = (size, size)
    layers = [layer(name, "kernel", activation="relu", output_shape=(None, size)) for name in names]
    variables = [(VariableDescription(one.variables[0].path, kernel, "float32"),) for one in layers]
    described = zip(layers, variables, strict=True)
    return model_of(*(dataclasses.replace(one, variables=of) for one, of in described))


def record_at(step, gradients, names=LAYERS, **how):
    """A record whose gradients have one magnitude in each layer; None for a layer without one."""
    known = {n: g for n, g in zip(names, gradients, strict=True) if g is not None}
    return Record(
        step,
        1000.0 + step,
        {f"{name}/kernel": sketch_of([size, -size]) for name, size in known.items()},
        activation_gradients={name: sketch_of([size, -size]) for name, size in known.items()},
        **how,
    )


RECORDS = (
    record_at(0, [1e-4, 1e-2, 1.0]),
    record_at(5, [1e-7, 1e-3, 0.1]),
    record_at(10, [0.0, None, 0.1]),
    record_at(20, [math.nan, 1e-3, 0.25]),
)
"""Records with a small, an absent, a zero and a non-finite gradient."""


def training(number=1, names=LAYERS):
    """The description of a training run."""
    return training_of(id=f"20261127-12000{number}-abcd", began=float(number), model=model(names))


def write(directory, records=RECORDS, number=1, names=LAYERS, name="tfevents.1"):
    """Writes a log without a verdict, and returns its event file."""
    return write_log(directory, records, training(number, names), name=name)


def write_with_verdict(directory, records=RECORDS, verdict=VERDICT, names=LAYERS, number=1):
    """Writes a log as a monitor does, and returns the writer, whose file is open."""
    writer = RecordWriter(str(directory), ())
    for record in records:
        writer.write(record, training(number, names), verdict=lambda: verdict)
    return writer

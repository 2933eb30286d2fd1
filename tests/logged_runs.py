"""Small handmade logs of several training runs, for reports and comparisons."""

import math

import numpy as np
from handmade_logs import write_log
from scripted_records import layer, sketch_of, training_of

from vg_keras.record import ModelDescription, OptimizerDescription, Record, Settings
from vg_keras.rules import Diagnosis, Verdict

MODEL = ModelDescription(
    "net", tuple(layer(f"net/{name}", "kernel", output_shape=(None, 3)) for name in "abc")
)
SETTINGS = Settings(
    optimizers=(OptimizerDescription("SGD", 0.1, {"name": "SGD", "momentum": 0.9, "clip": None}),),
    loss="mse",
    batch_size=32,
    update_freq="auto",
    quantities=("gradients", "loss"),
    versions={"keras": "3.15"},
)


def record(step, *norms, loss=1.0, model=MODEL):
    """A record whose layers have gradients of these norms."""
    outputs = {path: sketch_of([norm]) for path, norm in zip(model.outputs, norms, strict=True)}
    kernels = {path: sketch_of([2 * n]) for path, n in zip(model.variables, norms, strict=True)}
    ones = dict.fromkeys(model.variables, 1.0)
    return Record(
        step,
        1.5 + step,
        kernels,
        activation_gradients=outputs,
        activations=outputs,
        update_norms=dict.fromkeys(model.variables, 0.001),
        weight_norms=ones,
        dead_units=dict.fromkeys(model.outputs, 0.25),
        loss=loss,
    )


def training(model=MODEL, **how):
    """A training run of MODEL."""
    return training_of(model=model, **{"settings": SETTINGS, **how})


def write_two(directory):
    """Writes the logs `healthy` and `sick`, which has a diagnosis, and returns their paths."""
    healthy, sick = directory / "healthy", directory / "sick"
    records = [record(step, 0.5, 1.0, 1.0, loss=2.0 - step / 10) for step in range(10)]
    write_log(healthy / "gradients", records, training(id="20261127-1-aaaa", began=10.0))
    records = [record(step, 1e-6, 1e-3, 1.0, loss=2.0) for step in range(10)]
    records[-1] = record(9, 0.0, math.nan, 1.0, loss=math.nan)
    write_log(sick / "gradients", records, training(id="20261127-2-bbbb", began=20.0))
    return healthy, sick


DIAGNOSIS = Diagnosis(
    "VG101",
    "vanishing-gradient",
    "error",
    "almost no gradient reaches net/a.",
    ("net/a",),
    0,
    9,
    {},
    ("Use ReLU.", "Add BatchNormalization."),
    "Theory predicts it.",
)
VERDICT = Verdict((DIAGNOSIS,), 10, 0, 9, np.nan)

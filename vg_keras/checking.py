"""Checks a model before it is trained: implements `vg_keras.check`."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vg_keras.arguments import check_backend, check_model
from vg_keras.capture.decode import Observation
from vg_keras.capture.describe import settings_of
from vg_keras.capture.optimizers import optimizers_of
from vg_keras.capture.plan import Choice
from vg_keras.capture.probe_pass import ProbePass
from vg_keras.capture.unit_spread import unit_spread
from vg_keras.probe import Probe
from vg_keras.record import Record, Training
from vg_keras.rules.examination import Examination
from vg_keras.rules.registry import RULES
from vg_keras.rules.verdict import Verdict


def check(
    model: keras.Model,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int = 256,
    ignore: tuple[str, ...] = (),
) -> Verdict:
    """Says what is wrong with a model at initialization, without training it.

    It runs the model forward and backward on one batch, which changes nothing in the model, and
    applies the rules that need no training step. Rules that otherwise wait for several records
    decide at once. It looks at the loss that the model is compiled with, not at that of an
    overridden `train_step`, and builds the model if it is not built.

    Args:
        model: A compiled model.
        x: Inputs: an array, a structure of arrays, or a `tf.data.Dataset` of batches, of which the
            first `batch_size` examples are taken.
        y: The targets, unless `x` is a dataset.
        sample_weight: The sample weights, or None.
        batch_size: Number of examples to use. Few examples can't show that a unit is dead.
        ignore: Codes of rules to silence, as in `GradientMonitor`.

    Returns:
        The verdict. Printed, it says what is wrong and what to try.

    Raises:
        TypeError: If `model` is not a Keras 3 model, or `x` not an array or dataset.
        ValueError: If it is not compiled or has no trainable variables, if it fails on the batch,
            or if `ignore` names a rule that does not exist.

    Example:
        >>> print(vg_keras.check(model, x, y))  # doctest: +SKIP
        GradientMonitor: no problem found in 1 record, step 0.
        The first layer gets 0.97 times the gradient of the last hidden one (0.01 to 100 is usual).
    """
    check_backend()
    check_model(model)
    if model.built and not model.trainable_variables:
        raise ValueError(f"Expected a model with trainable variables. Received: {model.name!r}.")
    if not getattr(model, "compiled", False):
        raise ValueError(f"Expected a compiled model. Received: {model.name!r}. Compile it first.")
    x, y, sample_weight = _batch(x, y, sample_weight, batch_size)
    training, record = _record(model, Probe(x, y, sample_weight))
    record = dataclasses.replace(record, nonfinite_data=_num_nonfinite([x, y, sample_weight]))
    rules = [rule.at_once() for rule in RULES if not rule.missing(training)]
    examination = Examination(training, rules, ignore)
    examination.update(record)
    return dataclasses.replace(examination.verdict, not_applied=())


def _record(model: keras.Model, probe: Probe) -> tuple[Training, Record]:
    """Returns the description of the model, and the record of a forward and backward pass."""
    probe_pass = ProbePass(model, probe, Choice())
    records: list[Record] = []
    try:
        for _ in range(2):  # dead units are reported from the second record on
            probe_pass.run(0)
            kept = probe_pass.observer.read()
            if not records:
                decoder = probe_pass.observer.decoder()
            without = probe_pass.observer.without_gradient
            records += Observation(decoder, kept, frozenset(without), time.time()).records()
        gradients = probe_pass.gradients()
    except Exception as error:
        raise ValueError(f"The model {model.name!r} fails on the batch: {error}") from error
    record = dataclasses.replace(
        records[-1],
        # Both passes saw the same examples.
        dead_unit_examples={p: n // 2 for p, n in records[-1].dead_unit_examples.items()},
        # Units are alike for good only if they also get the same gradient.
        unit_spread={
            path: max(spread, unit_spread(gradients[path])) if path in gradients else spread
            for path, spread in probe_pass.observer.unit_spreads().items()
        },
    )
    settings = settings_of(model, optimizers_of(model), 1, probe_pass.choice.quantities)
    return Training("check", time.time(), decoder.model, settings), record


def _batch(x: Any, y: Any, sample_weight: Any, batch_size: int) -> tuple[Any, Any, Any]:
    """Returns the first examples, of a dataset from as many batches as that takes."""
    if isinstance(x, tf.data.Dataset):
        one = next(iter(x.rebatch(batch_size)), None)
        if one is None:
            raise ValueError("Expected a dataset of batches. Received: an empty dataset.")
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(one)
    for part in keras.tree.flatten([x, y, sample_weight]):
        if part is not None and not hasattr(part, "shape"):
            raise TypeError(
                "`x`, `y` and `sample_weight` must be arrays, structures of arrays, or a "
                f"`tf.data.Dataset`. Received: a {type(part).__name__}."
            )
    parts = [
        None if part is None else keras.tree.map_structure(lambda a: a[:batch_size], part)
        for part in (x, y, sample_weight)
    ]
    return parts[0], parts[1], parts[2]


def _num_nonfinite(structure: Any) -> int:
    arrays = [np.asarray(part) for part in keras.tree.flatten(structure) if part is not None]
    floats = [array for array in arrays if np.issubdtype(array.dtype, np.floating)]
    return sum(int(array.size - np.isfinite(array).sum()) for array in floats)

"""The format of records on disk: names, encodings and version.

Together with `record.py` it is the interface between writing and reading. It defines all tags, the
name of the run, the format version, and our own payloads, each encoder next to its parser:

`vg_keras/training`, once per file: JSON that describes the training run of the file, with its
settings and its model.
`vg_keras/record`, once per recorded step: everything that was measured, bit for bit.
`vg_keras/verdict`, now and then and at the end: JSON with what the rules say of the records so far.
`vg_keras/cost`, at the end of a file: JSON with the cost of recording.

The other tags contain the same numbers in the form that TensorBoard's own tabs expect. They are
never read back, so they can be switched off without losing data. Imports neither TensorFlow nor
Keras.
"""

from __future__ import annotations

import dataclasses
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vg_keras.cost import Cost
from vg_keras.log.packing import packed, unpacked
from vg_keras.quantities import BY_NAME, CHARTS, NUMBERS, OF_MODEL, SKETCHES, Quantity
from vg_keras.record import (
    LayerDescription,
    ModelDescription,
    OptimizerDescription,
    Record,
    Settings,
    Training,
    VariableDescription,
)
from vg_keras.rules.diagnosis import Diagnosis
from vg_keras.rules.rule import NotApplied
from vg_keras.rules.verdict import Verdict
from vg_keras.sketch.sketch import Sketch, nonfinite_of_each

FORMAT_VERSION = 3
"""Version of the format on disk. A reader supports its own version and all older ones."""

RUN_NAME = "gradients"
"""The TensorBoard run, a subdirectory of `log_dir` next to Keras's `train` and `validation`."""

OTHER_RUNS = (RUN_NAME, "train", "validation")
"""Names of runs in `log_dir` that a probe can't use."""

PLUGIN_NAME = "vg_keras"
"""The TensorBoard plugin that owns these payloads."""

TRAINING_TAG = "vg_keras/training"
RECORD_TAG = "vg_keras/record"
VERDICT_TAG = "vg_keras/verdict"
COST_TAG = "vg_keras/cost"

MODEL_TAG = "vg_keras/model"
"""In format versions 1 and 2, instead of `TRAINING_TAG`: JSON that describes the model."""

_SKETCH_OF_NUMBER = {quantity.number: quantity for quantity in SKETCHES}
_NUMBER_OF_NUMBER = {quantity.number: quantity for quantity in NUMBERS}

DAMAGE = (AttributeError, EOFError, IndexError, KeyError, OSError, TypeError, ValueError)
"""The exceptions that JSON and NumPy raise for an invalid payload."""


class FormatVersionError(ValueError):
    """A log was written by a newer version of vg_keras than the installed one."""


class CorruptPayloadError(ValueError):
    """A payload is damaged: it is not valid for its tag."""


def tag(kind: str, name: str = "") -> str:
    """Returns the tag of a chart.

    Args:
        kind: Its kind, one of `quantities.CHARTS`.
        name: The name of a variable or a layer, as in `chart_names`, or empty for the model as a
            whole.
    """
    prefix = CHARTS[kind][1].prefix
    return f"{prefix}/{name}" if name else prefix


def encode_training(training: Training) -> bytes:
    """Returns the payload of `TRAINING_TAG`: UTF-8 JSON, without records, verdict and cost."""
    plain = dataclasses.replace(training, records=(), cost=None, verdict=None)
    fields = dataclasses.asdict(plain)
    del fields["records"], fields["cost"], fields["verdict"]
    return json.dumps({"format_version": FORMAT_VERSION, **fields}).encode()


def parse_training(payload: bytes) -> Training:
    """Returns the training run that `encode_training` encoded, without its records.

    Raises:
        FormatVersionError: If a newer version of vg_keras wrote the log.
        CorruptPayloadError: If the payload is damaged.
    """
    try:
        fields = _json_of_known_version(payload)
        settings = fields["settings"]
        optimizers = (OptimizerDescription(**one) for one in settings.pop("optimizers"))
        quantities = tuple(settings.pop("quantities"))
        return Training(
            id=fields["id"],
            began=fields["began"],
            model=_parse_model(fields["model"]),
            settings=Settings(tuple(optimizers), quantities=quantities, **settings),
            resumed_from=fields["resumed_from"],
        )
    except FormatVersionError:
        raise
    except DAMAGE as error:
        raise _corrupt("description of the training run", error) from error


def parse_model(payload: bytes, training_id: str, began: float) -> Training:
    """Returns a training run from a log of format version 1 or 2, without its records.

    Args:
        payload: The payload of `MODEL_TAG`.
        training_id: The id of the training run.
        began: When it began, in seconds since 1970.

    Raises:
        FormatVersionError: If a newer version of vg_keras wrote the log.
        CorruptPayloadError: If the payload is damaged.
    """
    try:
        fields = _json_of_known_version(payload)
        settings = Settings(versions=fields["versions"])
        return Training(training_id, began, _parse_model(fields), settings)
    except FormatVersionError:
        raise
    except DAMAGE as error:
        raise _corrupt("description of the model", error) from error


def _json_of_known_version(payload: bytes) -> Any:
    fields = json.loads(payload)
    version = fields["format_version"]
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"This log has format version {version}, and the installed vg_keras reads versions up "
            f"to {FORMAT_VERSION}. Upgrade vg_keras to read it."
        )
    return fields


def _corrupt(what: str, error: Exception) -> CorruptPayloadError:
    return CorruptPayloadError(f"The {what} is damaged: {error!r}.")


def _parse_model(model: Mapping[str, Any]) -> ModelDescription:
    return ModelDescription(model["name"], tuple(map(_parse_layer, model["layers"])))


def _parse_layer(layer: dict[str, Any]) -> LayerDescription:
    variables = tuple(
        VariableDescription(v["path"], tuple(v["shape"]), v["dtype"]) for v in layer["variables"]
    )
    shape = layer.get("output_shape")  # version 1 has none
    return LayerDescription(
        layer["path"],
        layer["type"],
        layer["activation"],
        variables,
        None if shape is None else tuple(shape),
        layer.get("kernel_initializer"),
        layer.get("bias_initializer"),
    )


def encode_cost(cost: Cost) -> bytes:
    """Returns the payload of `COST_TAG`: UTF-8 JSON, with null for an unknown fraction."""
    fraction = None if math.isnan(cost.fraction) else cost.fraction
    return json.dumps({**dataclasses.asdict(cost), "fraction": fraction}).encode()


def parse_cost(payload: bytes) -> Cost:
    """Returns the cost that `encode_cost` encoded.

    Raises:
        CorruptPayloadError: If the payload is damaged.
    """
    try:
        cost = Cost(**json.loads(payload))
        return cost if cost.fraction is not None else dataclasses.replace(cost, fraction=math.nan)
    except DAMAGE as error:
        raise _corrupt("cost of recording", error) from error


def encode_verdict(verdict: Verdict) -> bytes:
    """Returns the payload of `VERDICT_TAG`: JSON, with the tokens NaN and Infinity of Python."""
    return json.dumps(dataclasses.asdict(verdict)).encode()


def parse_verdict(payload: bytes) -> Verdict:
    """Returns the verdict that `encode_verdict` encoded.

    Raises:
        CorruptPayloadError: If the payload is damaged.
    """
    try:
        fields = json.loads(payload)
        diagnoses = [
            Diagnosis(**{**one, "paths": tuple(one["paths"]), "advice": tuple(one["advice"])})
            for one in fields.pop("diagnoses")
        ]
        not_applied = [
            NotApplied(**{**one, "missing": tuple(one["missing"])})
            for one in fields.pop("not_applied")
        ]
        return Verdict(diagnoses=tuple(diagnoses), not_applied=tuple(not_applied), **fields)
    except DAMAGE as error:
        raise _corrupt("verdict", error) from error


def encode_record(record: Record, model: ModelDescription) -> bytes:
    """Returns the payload of `RECORD_TAG`: named arrays, encoded by `packed`.

    Args:
        record: The record.
        model: The model. The payload refers to its variables and layers by number.
    """
    numbers = _Numbers(model)
    sketches = [
        (quantity.number, numbers.of(quantity, path), sketch)
        for quantity in SKETCHES
        for path, sketch in getattr(record, quantity.name).items()
    ]
    values = [
        (quantity.number, numbers.of(quantity, path), value)
        for quantity in NUMBERS
        for path, value in quantity.values_in(record).items()
    ]
    without_gradient = [numbers.of(BY_NAME["gradients"], path) for path in record.without_gradient]
    arrays = {
        "step": np.int64(record.step),
        "wall_time": np.float64(record.wall_time),
        "without_gradient": np.array(without_gradient, np.int32),
        "value_kinds": np.array([kind for kind, _, _ in values], np.uint8),
        "value_paths": np.array([number for _, number, _ in values], np.int32),
        "values": np.array([value for *_, value in values], np.float64),
        "sketch_kinds": np.array([kind for kind, _, _ in sketches], np.uint8),
        "sketch_paths": np.array([number for _, number, _ in sketches], np.int32),
        "aggregates": np.array([sketch.aggregates for *_, sketch in sketches], np.float64),
        "sizes": np.array([sketch.count for *_, sketch in sketches], np.int64),
        "nonfinite": np.array([sketch.nonfinite for *_, sketch in sketches], np.int64),
        # From here on, most of the bytes: who needs only numbers stops before (`numbers.py`).
        "num_buckets": np.array([len(sketch.nonzero_buckets) for *_, sketch in sketches], np.int32),
        "buckets": _joined([s.nonzero_buckets for *_, s in sketches], np.uint16),
        "counts": _joined([s.nonzero_counts for *_, s in sketches], np.int64),
    }
    return packed({name: np.asarray(array) for name, array in arrays.items()})


def _joined(arrays: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *arrays])


class _Numbers:
    """The numbering of the variables and the layers of a model."""

    def __init__(self, model: ModelDescription) -> None:
        self._paths = {"layers": model.outputs, "variables": model.variables, "model": ("",)}
        self._number = {
            of: {path: number for number, path in enumerate(paths)}
            for of, paths in self._paths.items()
        }

    def of(self, quantity: Quantity, path: str) -> int:
        return self._number[quantity.of][path]

    def path(self, quantity: Quantity, number: int) -> str:
        return self._paths[quantity.of][number]


def parse_record(payload: bytes, model: ModelDescription) -> Record:
    """Returns the record that `encode_record` encoded.

    Raises:
        CorruptPayloadError: If the payload is damaged or its checksum does not match.
    """
    try:
        arrays = as_of_version_3(unpacked(payload))
        numbers = _Numbers(model)
        found: dict[str, dict[str, Any]] = {quantity.name: {} for quantity in SKETCHES + NUMBERS}
        for kind, number, sketch in _parsed_sketches(arrays):
            quantity = _SKETCH_OF_NUMBER[kind]
            found[quantity.name][numbers.path(quantity, number)] = sketch
        values = (arrays[name].tolist() for name in ("value_kinds", "value_paths", "values"))
        for kind, number, value in zip(*values, strict=True):
            quantity = _NUMBER_OF_NUMBER[kind]
            value = int(value) if quantity.form == "count" else value
            found[quantity.name][numbers.path(quantity, number)] = value
        fields: Any = {**found, **{name: found[name].get("") for name in OF_MODEL}}
        return Record(
            step=int(arrays["step"]),
            wall_time=float(arrays["wall_time"]),
            without_gradient=tuple(model.variables[i] for i in arrays["without_gradient"]),
            **fields,
        )
    except (*DAMAGE, zlib.error) as error:
        raise CorruptPayloadError(f"The record is damaged: {error!r}.") from error


def _parsed_sketches(arrays: Mapping[str, NDArray[Any]]) -> Iterator[tuple[int, int, Sketch]]:
    buckets, counts = arrays["buckets"], arrays["counts"]
    ends = np.cumsum(arrays["num_buckets"]).tolist()
    kinds, numbers = arrays["sketch_kinds"].tolist(), arrays["sketch_paths"].tolist()
    nonfinite = arrays["nonfinite"].tolist()
    rows = zip(
        kinds, numbers, arrays["aggregates"].tolist(), [0, *ends], ends, nonfinite, strict=False
    )
    for kind, number, aggregates, start, end, num in rows:
        sketch = Sketch.of_nonzero(buckets[start:end], counts[start:end], aggregates, num)
        yield kind, number, sketch


_NAMES_OF_VERSION_2 = {
    "moments": "aggregates",
    "num_occupied": "num_buckets",
    "occupied": "buckets",
    "occupied_counts": "counts",
}


def as_of_version_3(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Returns the arrays of a record of any format version under the names of version 3."""
    arrays = {_NAMES_OF_VERSION_2.get(name, name): array for name, array in arrays.items()}
    if "variables" in arrays:  # version 1 has only gradients
        kinds = np.full(len(arrays["variables"]), BY_NAME["gradients"].number, np.uint8)
        nothing = dict.fromkeys(("value_kinds", "value_paths", "values"), np.zeros(0, np.int64))
        arrays |= {"sketch_kinds": kinds, "sketch_paths": arrays["variables"], **nothing}
    if "sizes" not in arrays:
        counts, ends = arrays["counts"], np.cumsum(arrays["num_buckets"])
        nonfinite = nonfinite_of_each(arrays["buckets"], counts, ends.tolist())
        sizes = np.diff(np.append(0, np.cumsum(counts))[np.append(0, ends)])
        arrays |= {"sizes": sizes, "nonfinite": np.array(nonfinite, np.int64)}
    return arrays

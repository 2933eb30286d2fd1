"""How records are named, encoded and versioned on disk.

The other contract between writing and reading, beside `record.py`. Every tag, the run's name, the
format version, and the payloads of our own stand here, each encoder beside its parser:

`vg_keras/model`, once a file: JSON that describes the model.
`vg_keras/record`, once a recorded step: everything that was measured, to the last bit.
`vg_keras/cost`, at the end of a file: JSON that says what the monitor has cost.

The other tags hold the same numbers as TensorBoard's own tabs want to see them. Nothing reads them
back, so they can be switched off without a loss. Neither TensorFlow nor TensorBoard is needed here.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vg_keras.cost import Cost
from vg_keras.quantities import BY_NAME, NUMBERS, SKETCHES, Quantity
from vg_keras.record import (
    LayerDescription,
    ModelDescription,
    Record,
    VariableDescription,
)
from vg_keras.sketch.sketch import Sketch

FORMAT_VERSION = 3
"""Version of what stands on disk. A reader takes its own version and every older one."""

RUN_NAME = "gradients"
"""The TensorBoard run, a directory in `log_dir` beside Keras's own `train` and `validation`."""

OTHER_RUNS = (RUN_NAME, "train", "validation")
"""Runs of `log_dir` that belong to others than a probe."""

PLUGIN_NAME = "vg_keras"
"""Owner of these payloads, in TensorBoard's sense."""

MODEL_TAG = "vg_keras/model"
RECORD_TAG = "vg_keras/record"
COST_TAG = "vg_keras/cost"

_SKETCH_OF_NUMBER = {quantity.number: quantity for quantity in SKETCHES}
_NUMBER_OF_NUMBER = {quantity.number: quantity for quantity in NUMBERS}

_DAMAGE = (EOFError, IndexError, KeyError, OSError, TypeError, ValueError, zlib.error)
"""What zlib and NumPy raise for a payload that is not what it should be."""


class FormatVersionError(ValueError):
    """A log was written by a newer version of vg_keras than the one that reads it."""


class CorruptPayloadError(ValueError):
    """A payload is not what the encoder of its tag writes."""


def tag(kind: str, path: str) -> str:
    """Returns the tag of a chart.

    Args:
        kind: What the tags of its kind begin with, out of `quantities.CHARTS`.
        path: The path of a variable or a layer, or nothing if it shows the model as a whole.
    """
    return f"{kind}/{path}" if path else kind


def encode_model(model: ModelDescription) -> bytes:
    """Returns the payload of `MODEL_TAG`: UTF-8 JSON."""
    payload = {"format_version": FORMAT_VERSION, **dataclasses.asdict(model)}
    return json.dumps(payload).encode()


def parse_model(payload: bytes) -> ModelDescription:
    """Returns the model that `encode_model` encoded.

    Raises:
        FormatVersionError: A newer version of vg_keras wrote it.
        CorruptPayloadError: It is not such a payload.
    """
    try:
        model = json.loads(payload)
        version = model["format_version"]
        _check_version(version)
        return ModelDescription(
            name=model["name"],
            layers=tuple(_parse_layer(layer) for layer in model["layers"]),
            versions=model["versions"],
        )
    except FormatVersionError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptPayloadError(f"The description of the model is damaged: {error!r}.") from error


def _check_version(version: int) -> None:
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"This log has format version {version}, and the installed vg_keras reads versions up "
            f"to {FORMAT_VERSION}. Upgrade vg_keras to read it."
        )


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
    )


def encode_cost(cost: Cost) -> bytes:
    """Returns the payload of `COST_TAG`: UTF-8 JSON, in which null stands for what is not known."""
    fraction = None if math.isnan(cost.fraction) else cost.fraction
    return json.dumps({**dataclasses.asdict(cost), "fraction": fraction}).encode()


def parse_cost(payload: bytes) -> Cost:
    """Returns the cost that `encode_cost` encoded.

    Raises:
        CorruptPayloadError: It is not such a payload.
    """
    try:
        cost = Cost(**json.loads(payload))
        return cost if cost.fraction is not None else dataclasses.replace(cost, fraction=math.nan)
    except (ValueError, TypeError) as error:
        raise CorruptPayloadError(f"What the monitor has cost is damaged: {error!r}.") from error


def encode_record(record: Record, model: ModelDescription) -> bytes:
    """Returns the payload of `RECORD_TAG`: named arrays, as `packed` puts them together.

    Args:
        record: What was measured.
        model: The model, to whose variables and layers the payload refers by number.
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
        for path, value in getattr(record, quantity.name).items()
    ]
    empty = [np.zeros(0, np.int64)]
    without_gradient = [numbers.of(BY_NAME["gradients"], path) for path in record.without_gradient]
    arrays = {
        "step": np.int64(record.step),
        "wall_time": np.float64(record.wall_time),
        "without_gradient": np.array(without_gradient, np.int32),
        "sketch_kinds": np.array([kind for kind, _, _ in sketches], np.uint8),
        "sketch_paths": np.array([number for _, number, _ in sketches], np.int32),
        "moments": np.array([sketch.moments for *_, sketch in sketches], np.float64),
        "num_occupied": np.array([len(sketch.occupied) for *_, sketch in sketches], np.int32),
        "occupied": np.concatenate([s.occupied for *_, s in sketches] or empty).astype(np.uint16),
        "occupied_counts": np.concatenate([s.occupied_counts for *_, s in sketches] or empty),
        "value_kinds": np.array([kind for kind, _, _ in values], np.uint8),
        "value_paths": np.array([number for _, number, _ in values], np.int32),
        "values": np.array([value for *_, value in values], np.float64),
    }
    return packed({name: np.asarray(array) for name, array in arrays.items()})


def packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Returns named arrays of at most two dimensions in as few bytes as possible.

    Of each column first all first bytes, then all second bytes, and so on: numbers of similar size
    have similar first bytes, which so compress to little. Then all arrays in NumPy's own format,
    compressed as one stream: an .npz, which compresses each by itself, takes twice as long.
    """
    names = [f"{name} {array.dtype.str} {array.ndim}" for name, array in arrays.items()]
    file = io.BytesIO()
    for array in (np.array(names), *map(_planes, arrays.values())):
        np.save(file, array, allow_pickle=False)
    return zlib.compress(file.getvalue(), level=6)


def unpacked(payload: bytes) -> dict[str, NDArray[Any]]:
    """Returns the arrays that `packed` has packed, or a payload of an earlier version has."""
    file = io.BytesIO(zlib.decompress(payload))
    arrays = {}
    for entry in np.load(file, allow_pickle=False).tolist():
        name, *how = entry.split()
        array = np.load(file, allow_pickle=False)
        arrays[name] = _from_planes(array, np.dtype(how[0]), int(how[1])) if how else array
    return arrays


def _planes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Returns the bytes of an array `[rows, columns]` as `[columns, bytes, rows]`."""
    columns = np.ascontiguousarray(np.atleast_2d(array.T))
    as_bytes = columns.view(np.uint8).reshape(*columns.shape, array.dtype.itemsize)
    return np.ascontiguousarray(as_bytes.transpose(0, 2, 1))


def _from_planes(planes: NDArray[np.uint8], dtype: np.dtype[Any], ndim: int) -> NDArray[Any]:
    columns = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(dtype)[:, :, 0]
    return columns.T if ndim == 2 else columns[0] if ndim == 1 else columns[0, 0]


class _Numbers:
    """Numbers the variables and the layers of a model."""

    def __init__(self, model: ModelDescription) -> None:
        self._paths = {"layers": model.outputs, "variables": model.variables}
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
        CorruptPayloadError: It is not such a payload, or its checksum does not match.
    """
    try:
        arrays = unpacked(payload)
        if "variables" in arrays:
            arrays |= _as_of_version_2(arrays)
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
        return Record(
            step=int(arrays["step"]),
            wall_time=float(arrays["wall_time"]),
            without_gradient=tuple(model.variables[i] for i in arrays["without_gradient"]),
            **found,
        )
    except _DAMAGE as error:
        raise CorruptPayloadError(f"A record is damaged: {error!r}.") from error


def _parsed_sketches(arrays: Mapping[str, NDArray[Any]]) -> Iterator[tuple[int, int, Sketch]]:
    ends = np.cumsum(arrays["num_occupied"])[:-1]
    occupied = np.split(arrays["occupied"], ends)
    counts = np.split(arrays["occupied_counts"], ends)
    kinds, numbers = arrays["sketch_kinds"].tolist(), arrays["sketch_paths"].tolist()
    rows = zip(kinds, numbers, arrays["moments"], occupied, counts, strict=False)
    for kind, number, moments, buckets, of_bucket in rows:
        yield kind, number, Sketch.of_occupied(buckets, of_bucket, moments)


def _as_of_version_2(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Returns what version 1, which knew gradients alone, left out or called otherwise."""
    gradients = np.full(len(arrays["variables"]), BY_NAME["gradients"].number, np.uint8)
    nothing = dict.fromkeys(("value_kinds", "value_paths", "values"), np.zeros(0, np.int64))
    return {"sketch_kinds": gradients, "sketch_paths": arrays["variables"], **nothing}

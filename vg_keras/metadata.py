"""How records are named, encoded and versioned on disk.

The other contract between writing and reading, beside `record.py`. Every tag, the run's name, the
format version, and the two payloads of our own stand here, each encoder beside its parser:

`vg_keras/model`, once a file: JSON that describes the model.
`vg_keras/record`, once a recorded step: everything that was measured, to the last bit.

The other tags hold the same numbers as TensorBoard's own tabs want to see them. Nothing reads them
back, so they can be switched off without a loss. Neither TensorFlow nor TensorBoard is needed here.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from vg_keras.record import LayerDescription, ModelDescription, Record, VariableDescription
from vg_keras.statistics.sketch import Sketch

FORMAT_VERSION = 1
"""Version of what stands on disk. A reader takes its own version and every older one."""

RUN_NAME = "gradients"
"""The TensorBoard run, a directory in `log_dir` beside Keras's own `train` and `validation`."""

PLUGIN_NAME = "vg_keras"
"""Owner of the two payloads, in TensorBoard's sense."""

MODEL_TAG = "vg_keras/model"
RECORD_TAG = "vg_keras/record"

GRADIENTS = "gradients"
LOG10_GRADIENTS = "log10_gradients"
GRADIENT_NORM = "gradient_norm"


_DAMAGE = (EOFError, IndexError, KeyError, OSError, TypeError, ValueError, zlib.error)
"""What zlib and NumPy raise for a payload that is not what it should be."""


class FormatVersionError(ValueError):
    """A log was written by a newer version of vg_keras than the one that reads it."""


class CorruptPayloadError(ValueError):
    """A payload is not what the encoder of its tag writes."""


def tag(kind: str, path: str) -> str:
    """Returns the tag of a chart.

    Args:
        kind: `GRADIENTS`, `LOG10_GRADIENTS` or `GRADIENT_NORM`.
        path: The path of a variable.
    """
    return f"{kind}/{path}"


def norm_to_plot(sketch: Sketch) -> float:
    """Returns the L2 norm as a chart should show it: NaN where any element is not finite."""
    # A diverged gradient must not look like one that vanished. TensorBoard marks NaN by a triangle.
    return math.nan if sketch.nonfinite else sketch.norm


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
    return LayerDescription(layer["path"], layer["type"], layer["activation"], variables)


def encode_record(record: Record, variables: Sequence[str]) -> bytes:
    """Returns the payload of `RECORD_TAG`: named arrays in NumPy's own format, compressed together.

    Args:
        record: What was measured.
        variables: The paths of all monitored variables, to which the payload refers by number.
    """
    number = {path: i for i, path in enumerate(variables)}
    sketches = record.gradients.values()
    empty = [np.zeros(0, np.int64)]
    arrays = {
        "step": np.int64(record.step),
        "wall_time": np.float64(record.wall_time),
        "variables": np.array([number[path] for path in record.gradients], np.int32),
        "without_gradient": np.array([number[path] for path in record.without_gradient], np.int32),
        "moments": np.array([s.moments for s in sketches], np.float64),
        "num_occupied": np.array([len(s.occupied) for s in sketches], np.int32),
        "occupied": np.concatenate([s.occupied for s in sketches] or empty).astype(np.uint16),
        "occupied_counts": np.concatenate([s.occupied_counts for s in sketches] or empty),
    }
    # One stream for all arrays: an .npz, which compresses each by itself, takes twice as long.
    file = io.BytesIO()
    for array in (list(arrays), *arrays.values()):
        np.save(file, np.asarray(array), allow_pickle=False)
    return zlib.compress(file.getvalue(), level=1)


def parse_record(payload: bytes, variables: Sequence[str]) -> Record:
    """Returns the record that `encode_record` encoded.

    Raises:
        CorruptPayloadError: It is not such a payload, or its checksum does not match.
    """
    try:
        file = io.BytesIO(zlib.decompress(payload))
        names = np.load(file, allow_pickle=False)
        arrays = {name: np.load(file, allow_pickle=False) for name in names.tolist()}
        ends = np.cumsum(arrays["num_occupied"])[:-1]
        occupied = np.split(arrays["occupied"], ends)
        counts = np.split(arrays["occupied_counts"], ends)
        rows = zip(arrays["variables"], arrays["moments"], occupied, counts, strict=False)
        return Record(
            step=int(arrays["step"]),
            wall_time=float(arrays["wall_time"]),
            gradients={variables[i]: Sketch.of_occupied(o, c, m) for i, m, o, c in rows},
            without_gradient=tuple(variables[i] for i in arrays["without_gradient"]),
        )
    except _DAMAGE as error:
        raise CorruptPayloadError(f"A record is damaged: {error!r}.") from error

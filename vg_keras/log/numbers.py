"""Reads the numbers of a record without its histograms, eight times as fast as the whole record.

For whoever needs one number of each variable or layer, but of thousands of records. Imports neither
TensorFlow nor Keras.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vg_keras.log import format as log_format
from vg_keras.log.packing import unpacked
from vg_keras.quantities import NUMBERS, SKETCHES
from vg_keras.record import ModelDescription
from vg_keras.sketch.sketch import AGGREGATES

_LAST = "nonfinite"
"""The last array that is needed; see `format.encode_record`."""

_FINITE_NORM = AGGREGATES.index("finite_norm")


@dataclass(frozen=True)
class Numbers:
    """The numbers of a record.

    Args:
        step: The step of the record.
        norms: For each recorded sketch quantity, the L2 norm of each variable or layer, float64
            `[p]`, in the order of `ModelDescription.variables` or `.outputs`. NaN where nothing was
            recorded, infinite if any element is not finite.
        rms: The root mean squares of the same.
        values: The same for the quantities that are one number for each variable or layer.
        of_model: The quantities that are one number for the model, such as the loss.
    """

    step: int
    norms: Mapping[str, NDArray[np.float64]]
    rms: Mapping[str, NDArray[np.float64]]
    values: Mapping[str, NDArray[np.float64]]
    of_model: Mapping[str, float]


def parse_numbers(payload: bytes, model: ModelDescription) -> Numbers:
    """Returns the numbers in a record that `format.encode_record` encoded.

    Args:
        payload: The payload of `format.RECORD_TAG`.
        model: The model that it describes.

    Raises:
        CorruptPayloadError: If that part of the payload is damaged.
    """
    try:
        arrays = log_format.as_of_version_3(unpacked(payload, _LAST))
        norms, rms = _norms_and_rms(arrays, model)
        return Numbers(int(arrays["step"]), norms, rms, *_values(arrays, model))
    except (*log_format.DAMAGE, zlib.error) as error:
        raise log_format.CorruptPayloadError(f"The record is damaged: {error!r}.") from error


def _norms_and_rms(
    arrays: Mapping[str, NDArray[Any]], model: ModelDescription
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    kinds, paths = arrays["sketch_kinds"], arrays["sketch_paths"]
    finite = arrays["aggregates"].reshape(-1, len(AGGREGATES))[:, _FINITE_NORM]
    all_norms = np.where(arrays["nonfinite"] > 0, np.inf, finite)
    with np.errstate(invalid="ignore", divide="ignore"):
        all_rms = np.where(arrays["nonfinite"] > 0, np.inf, finite / np.sqrt(arrays["sizes"]))
    norms, rms = {}, {}
    for quantity in SKETCHES:
        which = kinds == quantity.number
        if which.any():
            norms[quantity.name] = _by_path(paths[which], all_norms[which], quantity.of, model)
            rms[quantity.name] = _by_path(paths[which], all_rms[which], quantity.of, model)
    return norms, rms


def _values(
    arrays: Mapping[str, NDArray[Any]], model: ModelDescription
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Returns the values of variables and layers, and those of the model as a whole."""
    kinds, paths, values = (arrays[name] for name in ("value_kinds", "value_paths", "values"))
    by_path, of_model = {}, {}
    for quantity in NUMBERS:
        which = kinds == quantity.number
        if not which.any():
            continue
        if quantity.of == "model":
            of_model[quantity.name] = float(values[which][0])
        else:
            of_paths = np.where(np.isfinite(values[which]), values[which], np.inf)
            by_path[quantity.name] = _by_path(paths[which], of_paths, quantity.of, model)
    return by_path, of_model


def _by_path(
    paths: NDArray[np.int32], values: NDArray[np.float64], of: str, model: ModelDescription
) -> NDArray[np.float64]:
    found = np.full(len(model.outputs if of == "layers" else model.variables), np.nan)
    found[paths] = values
    return found

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
        values: The same for the quantities that are one number for each variable or layer, as they
            were recorded.
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
        norms = arrays["aggregates"][:, _FINITE_NORM]
        with np.errstate(invalid="ignore", divide="ignore"):
            rms = norms / np.sqrt(arrays["sizes"])
        return Numbers(
            int(arrays["step"]),
            _of_sketches(norms, arrays, model),
            _of_sketches(rms, arrays, model),
            _values(arrays, model),
            _of_model(arrays),
        )
    except (*log_format.DAMAGE, zlib.error) as error:
        raise log_format.CorruptPayloadError(f"The record is damaged: {error!r}.") from error


def _of_sketches(
    numbers: NDArray[np.float64], arrays: Mapping[str, NDArray[Any]], model: ModelDescription
) -> dict[str, NDArray[np.float64]]:
    kinds, paths = arrays["sketch_kinds"], arrays["sketch_paths"]
    numbers = np.where(arrays["nonfinite"] > 0, np.inf, numbers)
    return {
        quantity.name: _by_path(paths[which], numbers[which], quantity.of, model)
        for quantity in SKETCHES
        if (which := kinds == quantity.number).any()
    }


def _values(
    arrays: Mapping[str, NDArray[Any]], model: ModelDescription
) -> dict[str, NDArray[np.float64]]:
    kinds, paths, values = (arrays[name] for name in ("value_kinds", "value_paths", "values"))
    return {
        quantity.name: _by_path(paths[which], values[which], quantity.of, model)
        for quantity in NUMBERS
        if quantity.of != "model" and (which := kinds == quantity.number).any()
    }


def _of_model(arrays: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    kinds, values = arrays["value_kinds"], arrays["values"]
    return {
        quantity.name: float(values[which][0])
        for quantity in NUMBERS
        if quantity.of == "model" and (which := kinds == quantity.number).any()
    }


def _by_path(
    paths: NDArray[np.int32], values: NDArray[np.float64], of: str, model: ModelDescription
) -> NDArray[np.float64]:
    found = np.full(len(model.outputs if of == "layers" else model.variables), np.nan)
    found[paths] = values
    return found

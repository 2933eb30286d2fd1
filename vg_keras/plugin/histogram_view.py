"""The histograms of one layer or variable over the steps, on a logarithmic axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vg_keras.layer_quantities import LayerQuantity
from vg_keras.plugin.flow_view import Chosen, Window
from vg_keras.sketch import buckets
from vg_keras.sketch.histogram import magnitudes_of

MAX_BINS = 120
"""Maximum number of bins. If there are more buckets, neighboring ones are merged."""

_SMALLEST = 2.0**-149
"""The smallest positive float32, where the lowest bin begins that would otherwise begin at zero."""


def histogram(one: Chosen, quantity: LayerQuantity, path: str, window: Window) -> dict[str, Any]:
    """Returns the histograms of a layer or variable; `http_api.md` describes the content."""
    columns = one.columns(quantity, window)
    found = [
        (step, getattr(record, str(quantity.sketch))[path])
        for step, place in zip(columns.steps.tolist(), columns.places, strict=True)
        if (record := one.log.record(one.training, place)) is not None
        and path in getattr(record, str(quantity.sketch))
    ]
    sketches = [sketch for _, sketch in found]
    sizes = np.array([max(sketch.count, 1) for sketch in sketches], np.float64)
    edges, counts = _bins(*magnitudes_of(sketches), len(sketches))
    return {
        "steps": [step for step, _ in found],
        "edges": [round(edge, 4) for edge in np.log10(edges).tolist()],
        "fractions": [
            [float(f"{x:.4g}") for x in row] for row in (counts / sizes[:, np.newaxis]).tolist()
        ],
        "zeros": [sketch.zeros / size for sketch, size in zip(sketches, sizes, strict=True)],
        "nonfinite": [s.nonfinite / size for s, size in zip(sketches, sizes, strict=True)],
    }


def _bins(
    owner: NDArray[np.int64], index: NDArray[np.int64], counts: NDArray[np.int64], number: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns the edges `[b + 1]` of common bins, and the counts `[number, b]` in them."""
    if not len(index):
        return np.ones(0), np.zeros([number, 0], np.int64)
    low, high = int(index.min()), int(index.max()) + 1
    width = -(-(high - low) // MAX_BINS)
    starts = np.arange(low, high + width, width)
    table = np.zeros([number, len(starts) - 1], np.int64)
    np.add.at(table, (owner, (index - low) // width), counts)
    edges = buckets.MAGNITUDE_EDGES[np.minimum(starts, len(buckets.MAGNITUDE_EDGES) - 1)]
    return np.maximum(edges, _SMALLEST), table

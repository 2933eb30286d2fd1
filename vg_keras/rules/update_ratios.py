"""The update ratios of kernels, which the rules on small and on large updates compare."""

from __future__ import annotations

import math

from vg_keras.record import Record, Training


def kernels_of(training: Training) -> list[str]:
    """Returns the paths of the variables with at least two axes, except biases.

    Biases and scales start at zero or one, so their update ratios say little.
    """
    variables = [v for layer in training.model.layers for v in layer.variables]
    return [v.path for v in variables if len(v.shape) > 1 and not v.path.endswith("bias")]


def update_ratios(record: Record, kernels: list[str]) -> dict[str, float]:
    """Returns the update ratios that were recorded and are finite, by path."""
    ratios = {path: record.update_ratio(path) for path in kernels if path in record.update_norms}
    return {path: ratio for path, ratio in ratios.items() if math.isfinite(ratio)}

"""The update ratios of kernels, which the rules on small and on large updates compare."""

from __future__ import annotations

import math

from vg_keras.record import Record, Training


class UpdateRatios:
    """The update ratios of the kernels of a training run.

    Kernels that are zero at the first record are left out: any update is large for them at first.

    Args:
        training: The training run.

    Attributes:
        first_norms: The L2 norms of the kernels at the first record, by path.
    """

    def __init__(self, training: Training) -> None:
        self._kernels = training.model.kernels
        self.first_norms: dict[str, float] = {}

    def of(self, record: Record) -> dict[str, float]:
        """Takes the next record, and returns the ratios that are recorded and finite, by path."""
        known = [path for path in self._kernels if path in record.update_norms]
        for path in known:
            self.first_norms.setdefault(path, record.weight_norms[path])
        ratios = {path: record.update_ratio(path) for path in known if self.first_norms[path]}
        return {path: ratio for path, ratio in ratios.items() if math.isfinite(ratio)}

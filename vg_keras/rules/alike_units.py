"""VG502: all units of a layer are alike, and stay alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from vg_keras.record import Record, Training
from vg_keras.rules.rule import Finding, Rule, Watch, hidden_layers, listed


@dataclass(frozen=True)
class AlikeUnits(Rule):
    """All units of a hidden layer have the same weights after several updates.

    Units that start alike get the same gradient and stay alike, so the layer can't do more than a
    single unit. Zeros in an output layer, or at the end of a residual branch, are no problem: other
    layers make the units differ after the first update.

    Args:
        spread: `Record.unit_spread` that counts as alike: what rounding in float32 leaves.
        num_records: Number of records, from the first, that must show it.

    References:
        I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, MIT Press, 2016, section 8.4: initial
        parameters need to break the symmetry between units.
    """

    spread: float = 1e-6
    num_records: int = 3

    code = "VG502"
    name = "alike-units"
    severity = "error"
    needs = ("unit_spread",)
    advice = (
        "Use a random initializer for the kernel, such as glorot_uniform or he_normal.",
        "If the weights were loaded or set, check that they are the trained ones.",
    )

    def start(self, training: Training) -> Watch:
        """Returns a watch over a training run."""
        hidden = set(hidden_layers(training.model))
        kernels_of = {
            layer.path: [variable.path for variable in layer.variables]
            for layer in training.model.layers
            if layer.path in hidden
        }
        alike: Counter[str] = Counter()
        num_records = 0

        def watch(record: Record) -> Finding | None:
            nonlocal num_records
            if not record.unit_spread:
                return None
            num_records += 1
            for path, kernels in kernels_of.items():
                spreads = [record.unit_spread[p] for p in kernels if p in record.unit_spread]
                alike[path] += bool(spreads) and max(spreads) <= self.spread
            found = tuple(path for path in kernels_of if alike[path] == num_records)
            if not found or num_records < self.num_records:
                return None
            return Finding(
                f"all units of {listed(found)} have the same weights, so they compute the same and "
                "get the same gradient.",
                found,
                {"layers": len(found)},
            )

        return watch

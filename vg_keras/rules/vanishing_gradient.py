"""VG101: the backpropagated signal vanishes on its way to the first layers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vg_keras.record import ModelDescription, Record
from vg_keras.rules.rule import Finding, Rule, Watch, hidden_layers, listed
from vg_keras.rules.signal_by_depth import SignalByDepth


@dataclass(frozen=True)
class VanishingGradient(Rule):
    """The signal at the first hidden layer is a tiny fraction of that at the last one.

    It is compared between layers, never with a number, because a network that has converged has
    small gradients everywhere and is healthy.

    Args:
        decades: Powers of ten that the signal must lose. Of the networks in
            `experiments/depth`, those that lose less than three still learn.
        update_fraction: If updates are recorded, the first hidden layer's kernel must also move by
            less than this fraction of what the last one's does, relative to their sizes: an
            optimizer such as Adam makes up for a small gradient.
    """

    decades: float = 3.0
    update_fraction: float = 0.01

    code = "VG101"
    name = "vanishing-gradient"
    severity = "error"
    needs = ("activation_gradients",)
    advice = (
        "Use ReLU with he_normal, or tanh with glorot_uniform.",
        "Add BatchNormalization or LayerNormalization between the layers.",
        "Add residual connections around every one or two layers.",
    )

    def start(self, model: ModelDescription) -> Watch:
        """Returns a watch over a training run of a model."""
        hidden = hidden_layers(model)
        kernels = {layer.path: layer.variables[0].path for layer in model.layers if layer.variables}

        def watch(record: Record) -> Finding | None:
            signal = SignalByDepth.of(record, hidden)
            if signal is None or not signal.decades >= self.decades:
                return None
            first, last = signal.paths[0], signal.paths[-1]
            moved = [_update_ratio(record, kernels[path]) for path in (first, last)]
            if moved[0] >= self.update_fraction * moved[1]:
                return None
            lost = f"{10**signal.decades:,.0f}-fold" if signal.decades < 300 else "to nothing"
            faint = signal.beyond(10**-self.decades)
            return Finding(
                f"the gradient shrinks {lost} from {last} to {first}, by a factor of "
                f"{signal.factor_per_layer:.2g} per layer. Almost nothing reaches {listed(faint)}.",
                faint,
                {"decades": signal.decades, "factor_per_layer": signal.factor_per_layer},
            )

        return watch


def _update_ratio(record: Record, path: str) -> float:
    """Returns the update ratio of a variable, or NaN if it is not recorded."""
    return record.update_ratio(path) if path in record.update_norms else math.nan

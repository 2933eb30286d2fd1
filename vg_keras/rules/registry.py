"""The list of rules."""

from __future__ import annotations

from vg_keras.rules.dead_relu_units import DeadUnits
from vg_keras.rules.exploding_gradient import ExplodingGradient
from vg_keras.rules.no_gradient import NoGradient
from vg_keras.rules.non_finite import NonFinite
from vg_keras.rules.rule import Rule
from vg_keras.rules.vanishing_gradient import VanishingGradient
from vg_keras.rules.weight_decay_only import WeightDecayOnly

RULES: tuple[Rule, ...] = (
    NonFinite(),
    ExplodingGradient(),
    VanishingGradient(),
    WeightDecayOnly(),
    DeadUnits(),
    NoGradient(),
)
"""Every rule with its default thresholds, the most serious first."""

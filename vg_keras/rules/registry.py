"""The list of rules."""

from __future__ import annotations

from vg_keras.rules.alike_units import AlikeUnits
from vg_keras.rules.dead_relu_units import DeadUnits
from vg_keras.rules.exploding_gradient import ExplodingGradient
from vg_keras.rules.large_updates import LargeUpdates
from vg_keras.rules.no_gradient import NoGradient
from vg_keras.rules.non_finite import NonFinite
from vg_keras.rules.rule import Rule
from vg_keras.rules.saturated_units import SaturatedUnits
from vg_keras.rules.small_updates import SmallUpdates
from vg_keras.rules.vanishing_gradient import VanishingGradient
from vg_keras.rules.weight_decay_only import WeightDecayOnly

RULES: tuple[Rule, ...] = (
    AlikeUnits(),
    ExplodingGradient(),
    NonFinite(),
    VanishingGradient(),
    NoGradient(),
    WeightDecayOnly(),
    DeadUnits(),
    SaturatedUnits(),
    LargeUpdates(),
    SmallUpdates(),
)
"""Every rule with its default thresholds, the most serious first."""

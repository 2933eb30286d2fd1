"""Rules that say what is wrong with a training run: one per file.

`examine` and `diagnose` apply them to a finished run or to what a log holds so far; `Examination`
applies them record by record. Each rule looks at one kind of problem; `registry.py` lists them all.
Imports neither TensorFlow nor Keras.
"""

from vg_keras.rules.alike_units import AlikeUnits
from vg_keras.rules.dead_relu_units import DeadUnits
from vg_keras.rules.diagnosis import Diagnosis
from vg_keras.rules.examination import Examination, diagnose, examine
from vg_keras.rules.exploding_gradient import ExplodingGradient
from vg_keras.rules.large_updates import LargeUpdates
from vg_keras.rules.no_gradient import NoGradient
from vg_keras.rules.non_finite import NonFinite
from vg_keras.rules.registry import RULES
from vg_keras.rules.rule import Finding, NotApplied, Rule, Watch
from vg_keras.rules.saturated_units import SaturatedUnits
from vg_keras.rules.small_updates import SmallUpdates
from vg_keras.rules.vanishing_gradient import VanishingGradient
from vg_keras.rules.verdict import Verdict
from vg_keras.rules.weight_decay_only import WeightDecayOnly

__all__ = [
    "RULES",
    "AlikeUnits",
    "DeadUnits",
    "Diagnosis",
    "Examination",
    "ExplodingGradient",
    "Finding",
    "LargeUpdates",
    "NoGradient",
    "NonFinite",
    "NotApplied",
    "Rule",
    "SaturatedUnits",
    "SmallUpdates",
    "VanishingGradient",
    "Verdict",
    "Watch",
    "WeightDecayOnly",
    "diagnose",
    "examine",
]

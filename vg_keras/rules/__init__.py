"""Rules that say what is wrong with a training run: one per file.

`examine` and `diagnose` apply them to a finished run or to what a log holds so far; `Examination`
applies them record by record. Each rule looks at one kind of problem; `registry.py` lists them all.
Imports neither TensorFlow nor Keras.
"""

from vg_keras.rules.diagnosis import Diagnosis
from vg_keras.rules.examination import Examination, diagnose, examine
from vg_keras.rules.registry import RULES
from vg_keras.rules.verdict import Verdict

__all__ = ["RULES", "Diagnosis", "Examination", "Verdict", "diagnose", "examine"]

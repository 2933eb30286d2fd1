"""Which update ratios the rules compare."""

import math

from scripted import KERNELS, MODEL, record_at
from scripted_records import training_of

from vg_keras.rules.update_ratios import kernels_of, update_ratios


def test_only_variables_with_several_axes_are_compared():
    assert kernels_of(training_of(model=MODEL)) == KERNELS


def test_ratios_that_are_unknown_or_not_finite_are_left_out():
    updates = {KERNELS[0]: 0.5, KERNELS[1]: math.nan, KERNELS[2]: 1.0, KERNELS[3]: 0.0}
    weights = dict.fromkeys(KERNELS, 2.0) | {KERNELS[2]: 0.0}
    record = record_at(0, update_norms=updates, weight_norms=weights)

    assert update_ratios(record, KERNELS) == {KERNELS[0]: 0.25, KERNELS[3]: 0.0}

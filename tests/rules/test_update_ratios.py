"""Which update ratios the rules compare."""

import math

from scripted import KERNELS, MODEL, record_at
from scripted_records import training_of

from vg_keras.rules.update_ratios import UpdateRatios


def test_ratios_that_are_unknown_or_not_finite_are_left_out():
    updates = {KERNELS[0]: 0.5, KERNELS[1]: math.nan, KERNELS[3]: 0.0}
    weights = dict.fromkeys(KERNELS, 2.0)
    record = record_at(0, update_norms=updates, weight_norms=weights)

    assert UpdateRatios(training_of(model=MODEL)).of(record) == {KERNELS[0]: 0.25, KERNELS[3]: 0.0}


def test_kernels_that_are_zero_at_first_are_left_out_for_good():
    ratios = UpdateRatios(training_of(model=MODEL))
    zero = dict.fromkeys(KERNELS, 2.0) | {KERNELS[5]: 0.0}
    found = [ratios.of(record_at(0, weight_norms=zero)), ratios.of(record_at(1))]

    assert [list(of_record) for of_record in found] == [KERNELS[:5], KERNELS[:5]]

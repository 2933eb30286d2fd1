"""VG502 on scripted records."""

import pytest
from scripted import HIDDEN, KERNELS, findings, record_at

from vg_keras.rules.alike_units import AlikeUnits

RULE = AlikeUnits()


def spread(*values, kernel=KERNELS[1]):
    """Records with these spreads of the units of one layer."""
    return [
        record_at(step, unit_spread=dict.fromkeys(KERNELS, 1.0) | {kernel: value})
        for step, value in enumerate(values)
    ]


def test_it_is_found_at_the_third_record():
    found = findings(RULE, spread(0.0, 0.0, 1e-8))

    assert found[:2] == [None, None]
    assert found[2].paths == (HIDDEN[1],)
    assert found[2].message == (
        "all units of net/hidden_2 have the same weights, so they compute the same and get the "
        "same gradient."
    )


@pytest.mark.parametrize(("value", "sick"), [(1.1e-6, False), (0.9e-6, True)])
def test_the_threshold_is_a_millionth(value, sick):
    assert (findings(RULE, spread(value, value, value))[-1] is not None) is sick


def test_units_that_differ_after_the_first_update_are_healthy():
    assert findings(RULE, spread(0.0, 0.3, 0.5)) == [None] * 3


def test_an_output_layer_of_zeros_is_healthy():
    assert findings(RULE, spread(0.0, 0.0, 0.0, kernel=KERNELS[-1])) == [None] * 3


def test_records_without_the_quantity_are_ignored():
    records = spread(0.0, 0.0, 0.0)
    found = findings(RULE, [*records, record_at(50)])

    assert found[2] is not None
    assert found[3] is None

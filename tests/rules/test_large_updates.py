"""VG402 on scripted records."""

import pytest
from scripted import KERNELS, findings, record_at

from vg_keras.rules.large_updates import LargeUpdates

RULE = LargeUpdates()


def moved(ratios, losses=None):
    """Records of which the update ratio of the second kernel is given."""
    losses = losses or [2.3] * len(ratios)
    return [
        record_at(step, updates=[1e-3, ratio] + [1e-3] * 4, loss=loss)
        for step, (ratio, loss) in enumerate(zip(ratios, losses, strict=True))
    ]


def test_it_is_found_at_the_fifth_record_in_a_row():
    found = findings(RULE, moved([0.5] * 5))

    assert found[:4] == [None] * 4
    assert found[4].paths == (KERNELS[1],)
    assert found[4].message == (
        "each step moves net/hidden_2/kernel by 0.5 of its size, and the loss does not fall. "
        "Kernels with this problem: net/hidden_2/kernel."
    )


@pytest.mark.parametrize(("ratio", "sick"), [(0.099, False), (0.101, True)])
def test_the_threshold_is_a_tenth(ratio, sick):
    assert (findings(RULE, moved([ratio] * 5))[-1] is not None) is sick


def test_large_first_steps_are_healthy():
    assert findings(RULE, moved([0.5] * 4 + [0.01] * 4 + [0.5] * 4)) == [None] * 12


def test_a_loss_that_falls_is_healthy():
    assert findings(RULE, moved([0.5] * 8, [2.3] * 3 + [0.1] * 5)) == [None] * 8

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


def test_it_is_found_at_the_eighth_record_in_a_row():
    found = findings(RULE, moved([0.5] * 8))

    assert found[:7] == [None] * 7
    assert found[7].paths == (KERNELS[1],)
    assert found[7].message == (
        "each step moves net/hidden_2/kernel by 0.5 of its size, and the loss does not fall. "
        "Kernels with this problem: net/hidden_2/kernel."
    )


@pytest.mark.parametrize(("ratio", "sick"), [(0.099, False), (0.101, True)])
def test_the_threshold_is_a_tenth(ratio, sick):
    assert (findings(RULE, moved([ratio] * 8))[-1] is not None) is sick


def test_large_first_steps_are_healthy():
    assert findings(RULE, moved([0.5] * 7 + [0.01] * 4 + [0.5] * 7)) == [None] * 18


def test_a_loss_that_falls_is_healthy():
    assert findings(RULE, moved([0.5] * 9, [2.3] * 3 + [0.1] * 6)) == [None] * 9


def grown(factor, loss=2.3):
    norms = dict.fromkeys(KERNELS, 1.0)
    later = norms | {KERNELS[2]: factor}
    return [record_at(s, weight_norms=norms if s < 3 else later, loss=loss) for s in range(8)]


@pytest.mark.parametrize(("factor", "sick"), [(19.0, False), (21.0, True)])
def test_a_kernel_that_has_grown_twentyfold_is_found(factor, sick):
    finding = findings(RULE, grown(factor))[-1]

    assert (finding is not None) is sick
    assert not sick or finding.message == (
        "net/hidden_3/kernel is 21 times as large as at the first record, and the loss does not "
        "fall. Kernels with this problem: net/hidden_3/kernel."
    )


def test_a_kernel_that_has_shrunk_to_nothing_is_left_to_weight_decay():
    small = dict.fromkeys(KERNELS, 1.0) | {KERNELS[1]: 1e-3}
    records = [record_at(0, loss=2.3)]
    records += [
        record_at(step, updates=[1e-3, 5e-4] + [1e-3] * 4, weight_norms=small, loss=2.3)
        for step in range(1, 12)
    ]

    assert findings(RULE, records) == [None] * 12

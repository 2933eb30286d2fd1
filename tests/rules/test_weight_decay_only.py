"""VG103 on scripted records."""

import pytest
from scripted import KERNELS, findings, is_sick, record_at
from scripted_records import sketch_of

from vg_keras.rules.weight_decay_only import WeightDecayOnly

RULE = WeightDecayOnly()


def decayed(step, ratio, part=1.0):
    """A record in which the data loss contributes this fraction to the first kernel's gradient."""
    path = KERNELS[0]
    return record_at(
        step,
        data_loss_gradients={path: sketch_of([ratio])},
        regularization_gradients={path: sketch_of([part])},
    )


def test_it_is_found_at_the_third_record_in_a_row():
    found = findings(RULE, [decayed(step, 1e-5) for step in range(3)])

    assert found[:2] == [None, None]
    assert found[2].paths == (KERNELS[0],)
    assert found[2].message == (
        "the regularizer makes up the whole gradient of net/hidden_1/kernel: that of the data loss "
        "is at most 1.0e-05 times as large."
    )


@pytest.mark.parametrize(("ratio", "sick"), [(1.1e-3, False), (0.9e-3, True)])
def test_the_threshold_is_a_thousandth(ratio, sick):
    assert is_sick(RULE, *(decayed(step, ratio) for step in range(3))) is sick


def test_a_converged_network_in_which_both_cancel_is_healthy():
    assert not is_sick(RULE, *(decayed(step, 1.0) for step in range(5)))


@pytest.mark.parametrize(("norm", "sick"), [(1.1e-3, False), (0.9e-3, True)])
def test_a_kernel_that_shrinks_to_a_thousandth_is_found(norm, sick):
    records = [
        record_at(0),
        record_at(5, weight_norms=dict.fromkeys(KERNELS, 1.0) | {KERNELS[2]: norm}),
    ]
    finding = findings(RULE, records)[-1]

    assert (finding is not None) is sick
    assert not sick or finding.paths == (KERNELS[2],)


def test_one_record_in_between_resets_the_count():
    ratios = [1e-5, 1e-5, 0.1, 1e-5, 1e-5]

    assert not is_sick(RULE, *(decayed(step, ratio) for step, ratio in enumerate(ratios)))


def test_a_regularizer_that_adds_nothing_is_not_judged():
    assert not is_sick(RULE, *(decayed(step, 0.0, part=0.0) for step in range(5)))

"""VG401 on scripted records."""

import pytest
from scripted import KERNELS, findings, record_at

from vg_keras.rules.small_updates import SmallUpdates

RULE = SmallUpdates()
STEPS = [0, 1, 2, 5, 10, 20, 50, 100, 150]


def moved(ratios, losses=None):
    """Records of which the largest update ratio of each is given."""
    losses = losses or [2.3] * len(ratios)
    return [
        record_at(step, updates=[1e-9, ratio] + [1e-9] * 4, loss=loss)
        for step, ratio, loss in zip(STEPS, ratios, losses, strict=False)
    ]


def test_it_is_found_after_a_hundred_steps_and_dated_to_the_first():
    found = findings(RULE, moved([1e-6] * 9))

    assert found[:7] == [None] * 7
    assert found[7].since == 0
    assert found[7].paths == tuple(KERNELS)
    assert found[7].message == (
        "in 100 steps, no update has moved any kernel by more than 1.0e-06 of its size, and the "
        "loss does not fall."
    )


@pytest.mark.parametrize(("ratio", "sick"), [(1.1e-5, False), (0.9e-5, True)])
def test_the_threshold_is_a_hundred_thousandth(ratio, sick):
    assert (findings(RULE, moved([ratio] * 9))[-1] is not None) is sick


def test_a_warmup_that_has_begun_is_healthy():
    assert findings(RULE, moved([0.0, 1e-8, 1e-7, 1e-6, 2e-5] + [1e-9] * 4)) == [None] * 9


def test_updates_that_were_large_once_are_healthy():
    assert findings(RULE, moved([1e-3] + [1e-9] * 8)) == [None] * 9


def test_a_loss_that_falls_is_healthy():
    assert findings(RULE, moved([1e-6] * 9, [2.3] * 5 + [0.1] * 4)) == [None] * 9


def test_few_records_are_not_enough():
    records = [record_at(step, updates=[1e-9] * 6) for step in (0, 200, 400)]

    assert findings(RULE, records) == [None] * 3


def test_without_any_gradient_the_learning_rate_is_not_blamed():
    records = [record_at(step, norms=[0.0] * 6, updates=[0.0] * 6, loss=2.3) for step in STEPS]

    assert findings(RULE, records) == [None] * 9


def test_a_learning_rate_of_zero_is_not_to_be_raised():
    finding = findings(RULE, [record_at(s, updates=[0.0] * 6, loss=2.3) for s in STEPS])[-1]

    assert "no update has moved any kernel at all" in finding.message
    assert finding.advice[0] == RULE.advice[1]


def test_the_advice_names_the_factor_that_makes_updates_healthy():
    finding = findings(RULE, moved([1e-6] * 9))[-1]

    assert finding.advice[0] == "Raise the learning rate by a factor of about 3e+04."
    assert finding.advice[1:] == RULE.advice[1:]

"""VG201 on scripted records."""

import math

import pytest
from scripted import HIDDEN, KERNELS, findings, is_sick, record_at, with_nan

from vg_keras.rules.advice import LOWER_RATE
from vg_keras.rules.dead_relu_units import DeadUnits

RULE = DeadUnits()


def dead(fraction, examples=1000, **more):
    fractions = {HIDDEN[0]: 0.1, HIDDEN[2]: fraction}
    return record_at(
        0, dead_units=fractions, dead_unit_examples=dict.fromkeys(fractions, examples), **more
    )


def test_a_layer_of_which_most_units_are_dead_is_named():
    (finding,) = findings(RULE, [dead(0.95)])

    assert finding.paths == (HIDDEN[2],)
    assert finding.message == (
        "95% of the units of net/hidden_3 were zero for each of the last 1,000 examples, and so "
        "get no gradient. Layers with this problem: net/hidden_3."
    )


@pytest.mark.parametrize(("fraction", "sick"), [(0.79, False), (0.8, True)])
def test_the_threshold_is_four_fifths(fraction, sick):
    assert is_sick(RULE, dead(fraction)) is sick


def test_few_examples_prove_nothing():
    assert not is_sick(RULE, dead(1.0, examples=127))


def test_zeros_after_a_nan_are_left_to_the_rule_on_nan():
    assert not is_sick(RULE, dead(1.0, gradients=with_nan(KERNELS, KERNELS[0], math.nan)))


def test_initial_weights_are_blamed_for_units_that_were_dead_at_first():
    first, later = findings(RULE, [dead(0.95), dead(0.95)])

    assert first.advice == later.advice
    assert first.advice[0].startswith("Start from he_normal weights and zero biases")


def test_the_learning_rate_is_blamed_for_units_that_died():
    _, finding = findings(RULE, [dead(0.1), dead(0.95)])

    assert finding.advice[0] == LOWER_RATE

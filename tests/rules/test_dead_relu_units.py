"""VG201 on scripted records."""

import math

import pytest
from scripted import HIDDEN, KERNELS, findings, is_sick, record_at, with_nan

from vg_keras.rules.advice import LOWER_RATE
from vg_keras.rules.dead_relu_units import DeadUnits

RULE = DeadUnits()


def dead(fraction, num_examples=1000, **more):
    fractions = {HIDDEN[0]: 0.1, HIDDEN[2]: fraction}
    return record_at(
        0, dead_units=fractions, dead_unit_examples=dict.fromkeys(fractions, num_examples), **more
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


@pytest.mark.parametrize(
    ("fraction", "examples", "sick"),
    [(0.9, 127, False), (0.9, 128, True), (1.0, 7, False), (1.0, 8, True)],
)
def test_few_examples_prove_nothing_unless_all_units_are_dead(fraction, examples, sick):
    assert is_sick(RULE, dead(fraction, examples)) is sick


def test_the_examples_of_all_records_in_a_row_count():
    batches = {"examples": {HIDDEN[2]: 4}}
    records = [dead(0.9, 40, **batches) for _ in range(23)]
    found = findings(RULE, [*records, dead(0.7, 40, **batches), *records[:9]])

    assert [finding is not None for finding in found] == [False] * 22 + [True] + [False] * 10
    assert found[22].evidence["examples"] == 128


def test_zeros_after_a_nan_are_left_to_the_rule_on_nan():
    assert not is_sick(RULE, dead(1.0, gradients=with_nan(KERNELS, KERNELS[0], math.nan)))


def test_initial_weights_are_blamed_for_units_that_were_dead_at_first():
    first, later = findings(RULE, [dead(0.95), dead(0.95)])

    assert first.advice == later.advice
    assert first.advice[0].startswith("Start from he_normal weights and zero biases")


def test_the_learning_rate_is_blamed_for_units_that_died():
    _, finding = findings(RULE, [dead(0.1), dead(0.95)])

    assert finding.advice[0] == LOWER_RATE

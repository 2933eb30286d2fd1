"""VG101 on scripted records."""

import pytest
from scripted import DEPTH, HIDDEN, NOTHING, by_layer, findings, is_sick, network, record_at

from vg_keras.rules.vanishing_gradient import VanishingGradient

RULE = VanishingGradient()
SLOW = [1e-9, 1e-8, 1e-7, 1e-6, 1e-3, 1e-3]
"""Update ratios of a network whose early layers hardly move."""


def test_a_signal_that_shrinks_a_thousandfold_is_found_at_the_first_record():
    (finding,) = findings(RULE, [record_at(0, by_layer(0.1), updates=SLOW)])

    assert finding.paths == (HIDDEN[0],)
    assert finding.evidence["decades"] == pytest.approx(DEPTH - 1)
    assert finding.evidence["factor_per_layer"] == pytest.approx(0.1)
    assert finding.message == (
        "almost no gradient reaches net/hidden_1. It shrinks 10,000-fold from net/hidden_5 to "
        "net/hidden_1, by a factor of 0.1 per layer."
    )


@pytest.mark.parametrize(("decades", "sick"), [(2.99, False), (3.01, True)])
def test_three_decades_are_diagnosed_at_once(decades, sick):
    signal = by_layer(10 ** (-decades / (DEPTH - 1)))

    assert is_sick(RULE, record_at(0, signal, updates=SLOW)) is sick


def test_a_converged_network_with_small_gradients_everywhere_is_healthy():
    assert not is_sick(RULE, record_at(0, [1e-12] * 6, updates=[1e-12] * 6))


def adapted(*losses):
    """Records of a vanishing gradient that the optimizer makes up for, 40 steps apart."""
    return [
        record_at(40 * number, by_layer(0.1), updates=[1e-3] * 6, loss=loss)
        for number, loss in enumerate(losses)
    ]


def test_an_optimizer_that_makes_up_for_it_is_given_a_hundred_steps_and_six_records():
    found = findings(RULE, adapted(2.5, 2.3, 2.3, 2.3, 2.3, 2.3))

    assert [finding is not None for finding in found] == [False] * 5 + [True]


@pytest.mark.parametrize(("decades", "sick"), [(1.99, False), (2.01, True)])
def test_two_decades_are_diagnosed_if_the_loss_does_not_fall(decades, sick):
    signal = by_layer(10 ** (-decades / (DEPTH - 1)))
    records = [record_at(20 * n, signal, updates=SLOW, loss=2.3) for n in range(7)]
    found = findings(RULE, records)

    assert [finding is not None for finding in found] == [False] * 5 + [sick] * 2
    assert not sick or found[-1].since == 0


def test_before_an_output_layer_of_zeros_has_moved_nothing_is_judged():
    signal = by_layer(10 ** (-2.5 / (DEPTH - 1)))
    later = [record_at(20 * n, signal, updates=SLOW, loss=2.3) for n in range(1, 8)]
    found = findings(RULE, [record_at(0, NOTHING, loss=2.3), *later])

    assert [finding is not None for finding in found] == [False] * 5 + [True] * 3


def test_a_signal_that_recovers_too_late_is_diagnosed():
    signals = [by_layer(0.1)] + [by_layer(0.9)] * 6
    records = [record_at(20 * n, s, loss=2.3) for n, s in enumerate(signals)]
    finding = findings(RULE, records)[-1]

    assert (finding.since, finding.evidence["decades"]) == (0, pytest.approx(4))


def later_vanishing(*losses):
    """Records of a signal that vanishes from the second record on, 20 steps apart."""
    signals = [by_layer(0.9)] + [by_layer(0.1)] * (len(losses) - 1)
    pairs = zip(signals, losses, strict=True)
    return [record_at(20 * n, s, updates=SLOW, loss=x) for n, (s, x) in enumerate(pairs)]


def test_a_signal_that_vanishes_when_the_network_has_learned_is_healthy():
    found = findings(RULE, later_vanishing(2.5, 0.1, 0.1, 0.1, 0.1))

    assert [finding is not None for finding in found] == [False, True, False, False, False]


def test_a_loss_that_falls_by_the_bias_alone_does_not_excuse_a_signal_that_began_to_vanish():
    losses = [15.0, 15.0, 15.0] + [1.0] * 4
    records = [record_at(20 * n, by_layer(0.1), updates=SLOW, loss=x) for n, x in enumerate(losses)]

    assert None not in findings(RULE, records)


def test_a_resumed_network_is_judged_by_its_signal():
    record = record_at(500, by_layer(0.1), updates=SLOW)
    tiny = record_at(500, by_layer(0.1, last=1e-6), updates=SLOW)

    assert findings(RULE, [record], resumed_from=500) != [None]
    assert findings(RULE, [tiny], resumed_from=500) == [None]


def test_a_signal_that_is_zero_behind_a_rectifier_is_left_to_the_rule_on_dead_units():
    record = record_at(0, [0, 0, 0, 0, 1, 1], updates=SLOW)

    assert findings(RULE, [record], network("relu")) == [None]
    assert findings(RULE, [record], network("tanh")) != [None]


def test_theory_names_the_activation_as_the_cause():
    record = record_at(0, by_layer(0.15), updates=SLOW)
    (finding,) = findings(RULE, [record], network("sigmoid", "GlorotUniform"))

    assert finding.cause.endswith(
        "Before the first step, theory predicts a factor of 0.24 per layer for sigmoid with "
        "GlorotUniform: the activation is the cause, whatever the initializer."
    )
    assert finding.evidence["predicted_factor_per_layer"] == pytest.approx(0.236, rel=1e-2)
    assert finding.advice == ()


def test_theory_names_the_initializer_as_the_cause():
    model = network("tanh", "RandomNormal")  # of standard deviation 0.05: a factor of 0.1
    (finding,) = findings(RULE, [record_at(0, by_layer(0.1), updates=SLOW)], model)

    assert finding.cause.endswith("for tanh with RandomNormal: the initializer is the cause.")
    assert finding.advice[0] == "Use kernel_initializer='glorot_uniform', which fits tanh."


def test_theory_names_no_cause_if_it_predicts_something_else():
    model = network("tanh", "GlorotUniform")
    (finding,) = findings(RULE, [record_at(0, by_layer(0.1), updates=SLOW)], model)

    assert finding.cause.endswith(
        "theory predicts a factor of 1 per layer for tanh with GlorotUniform, which does not "
        "explain it."
    )
    assert finding.advice == ()


def test_without_recorded_updates_the_signal_alone_decides():
    unknown = {"update_norms": {}, "weight_norms": {}}

    assert is_sick(RULE, record_at(0, by_layer(0.1), **unknown))


def test_a_signal_of_which_nothing_is_left_is_found():
    (finding,) = findings(RULE, [record_at(0, [0, 0, 0, 0, 1, 1], updates=SLOW)])

    assert "shrinks to nothing from net/hidden_5 to net/hidden_1" in finding.message


@pytest.mark.parametrize(
    "record",
    [
        record_at(0, NOTHING),
        record_at(0, [float("nan"), 1, 1, 1, 1, 1]),
        record_at(0, activation_gradients={}),
    ],
    ids=["no signal", "not finite", "not recorded"],
)
def test_what_cannot_be_compared_is_not_diagnosed(record):
    assert not is_sick(RULE, record)


def test_the_threshold_can_be_changed():
    assert not is_sick(VanishingGradient(decades=5), record_at(0, by_layer(0.1), updates=SLOW))


@pytest.mark.parametrize(
    ("decades_at_first", "norm", "advice"),
    [(1.6, 1.0, "Use ReLU"), (1.4, 1.0, "Lower the learning rate"), (1.4, 0.4, "Lower the weight")],
)
def test_training_is_blamed_for_a_signal_that_was_well_at_first(decades_at_first, norm, advice):
    first = record_at(0, by_layer(10 ** (-decades_at_first / (DEPTH - 1))), updates=SLOW)
    norms = dict.fromkeys(first.weight_norms, norm)
    later = record_at(5, by_layer(0.1), updates=SLOW, weight_norms=norms)
    _, finding = findings(RULE, [first, later])

    assert (finding.advice or RULE.advice)[0].startswith(advice)

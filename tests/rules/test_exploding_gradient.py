"""VG102 on scripted records."""

import pytest
from scripted import HIDDEN, KERNELS, LAYERS, by_layer, findings, is_sick, network, record_at
from scripted_records import sketch_of

from vg_keras.rules.advice import CLIP, INITIALIZER, LOWER_RATE
from vg_keras.rules.exploding_gradient import ExplodingGradient

RULE = ExplodingGradient()


def test_a_signal_that_grows_toward_the_input_is_found():
    (finding,) = findings(RULE, [record_at(0, by_layer(10.0))])

    assert finding.paths == (HIDDEN[0],)
    assert finding.message == (
        "the gradient grows 10,000-fold from net/hidden_5 to net/hidden_1, by a factor of 10 per "
        "layer. It is largest at net/hidden_1."
    )


@pytest.mark.parametrize(("factor", "sick"), [(5.6, False), (5.7, True)])
def test_the_threshold_is_three_decades(factor, sick):
    assert is_sick(RULE, record_at(0, by_layer(factor))) is sick


@pytest.mark.parametrize(("jump", "sick"), [(900, False), (1100, True)])
def test_a_norm_that_jumps_beyond_a_thousand_times_its_median_is_found(jump, sick):
    records = [record_at(step) for step in range(10)]
    last = record_at(10, norms=[1.0, 6**0.5 * jump, 1.0, 1.0, 1.0, 1.0])
    finding = findings(RULE, [*records, last])[-1]

    assert (finding is not None) is sick
    assert not sick or finding.paths == (KERNELS[1],)


def test_a_jump_among_the_first_records_is_not_judged():
    records = [record_at(step) for step in range(9)]

    assert not is_sick(RULE, *records, record_at(9, norms=[1e5] * 6))


@pytest.mark.parametrize(
    ("ratio", "output", "sick"),
    [(1.1e3, 2e3, True), (0.9e3, 2e3, False), (1.1e3, 1e3, False)],
)
def test_a_gradient_a_thousand_times_its_kernel_is_found_if_outputs_are_huge_too(
    ratio, output, sick
):
    outputs = {path: sketch_of([output, 0.0]) for path in LAYERS}
    record = record_at(0, norms=[1.0, ratio, 1.0, 1.0, 1.0, 1.0], activations=outputs)
    (finding,) = findings(RULE, [record])

    assert (finding is not None) is sick
    assert not sick or finding.paths == (KERNELS[1],)


def test_one_example_that_is_not_learned_among_many_that_are_is_healthy():
    norms = [5.0] + [1e-9] * 12 + [5.0] + [1e-9] * 3
    records = [record_at(step, norms=[norm] * 6) for step, norm in enumerate(norms)]

    assert findings(RULE, records) == [None] * len(norms)


def test_theory_names_the_initializer_as_the_cause():
    model = network("linear", "HeNormal")
    (finding,) = findings(RULE, [record_at(0, by_layer(6.0))], model)

    assert "theory predicts a factor of 1.4 per layer for linear with HeNormal" in finding.cause
    assert finding.cause.endswith("which does not explain it.")


def test_a_norm_that_grows_slowly_is_healthy():
    records = [record_at(step, norms=[1.3**step] * 6) for step in range(40)]

    assert findings(RULE, records) == [None] * 40


def test_the_initializer_is_blamed_for_what_explodes_at_first_and_the_learning_rate_later():
    at_first, _ = findings(RULE, [record_at(0, by_layer(10.0)), record_at(1)])
    _, later = findings(RULE, [record_at(0), record_at(1, by_layer(10.0))])

    assert at_first.advice == (INITIALIZER, CLIP, LOWER_RATE)
    assert later.advice[0] == LOWER_RATE

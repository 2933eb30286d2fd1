"""VG501 on scripted records."""

from scripted import KERNELS, findings, is_sick, record_at

from vg_keras.rules.no_gradient import NoGradient

RULE = NoGradient()


def test_a_variable_without_gradient_at_every_record_is_named():
    found = findings(RULE, [record_at(s, without_gradient=(KERNELS[1],)) for s in range(2)])

    assert found[0] is None
    assert found[1].paths == (KERNELS[1],)
    assert found[1].message == (
        "the loss does not depend on net/hidden_2/kernel, which therefore are not trained."
    )


def test_a_variable_that_once_had_a_gradient_is_healthy():
    records = [record_at(0), *(record_at(s, without_gradient=(KERNELS[1],)) for s in (1, 2))]

    assert not is_sick(RULE, *records)

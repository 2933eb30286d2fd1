"""VG202 on scripted records."""

import pytest
from scripted import HIDDEN, LAYERS, findings, record_at

from vg_keras.rules.advice import LOWER_RATE
from vg_keras.rules.saturated_units import SaturatedUnits

RULE = SaturatedUnits()


def saturated(fraction, losses, layer=HIDDEN[1]):
    """Records in which this fraction of a layer's units is saturated, with these losses."""
    units = dict.fromkeys(LAYERS, 0.1) | {layer: fraction}
    return [record_at(s, saturated_units=units, loss=loss) for s, loss in enumerate(losses)]


def test_it_is_found_at_the_sixth_record_in_a_row():
    found = findings(RULE, saturated(0.97, [2.3] * 6))

    assert found[:5] == [None] * 5
    assert found[5].paths == (HIDDEN[1],)
    assert found[5].message == (
        "97% of the units of net/hidden_2 are in the flat part of their activation function, where "
        "they pass almost no gradient, and the loss does not fall. Layers with this problem: "
        "net/hidden_2."
    )


@pytest.mark.parametrize(("fraction", "sick"), [(0.79, False), (0.81, True)])
def test_the_threshold_is_four_fifths(fraction, sick):
    assert (findings(RULE, saturated(fraction, [2.3] * 6))[-1] is not None) is sick


def test_a_network_that_learns_is_healthy():
    assert findings(RULE, saturated(0.97, [2.3] * 3 + [0.5] * 5)) == [None] * 8


def test_an_output_layer_that_is_sure_is_healthy():
    assert findings(RULE, saturated(1.0, [2.3] * 8, LAYERS[-1])) == [None] * 8


def test_without_a_loss_saturation_alone_decides():
    assert findings(RULE, saturated(0.97, [None] * 6))[-1] is not None


def test_inputs_and_weights_are_blamed_for_units_that_were_saturated_at_first():
    finding = findings(RULE, saturated(0.97, [2.3] * 6))[-1]

    assert finding.advice[0].startswith("Standardize the inputs")


def test_the_learning_rate_is_blamed_for_units_that_saturated_later():
    records = saturated(0.1, [2.3]) + saturated(0.97, [2.3] * 6)

    assert findings(RULE, records)[-1].advice[0] == LOWER_RATE

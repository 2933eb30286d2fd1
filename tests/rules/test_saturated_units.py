"""VG202 on scripted records."""

import pytest
from scripted import HIDDEN, LAYERS, findings, record_at

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


@pytest.mark.parametrize(("layer", "is_first"), [(HIDDEN[0], True), (HIDDEN[1], False)])
def test_the_inputs_are_blamed_only_if_the_first_layer_is_saturated(layer, is_first):
    finding = findings(RULE, saturated(0.97, [2.3] * 6, layer))[-1]

    assert finding.advice == (() if is_first else RULE.advice[1:])

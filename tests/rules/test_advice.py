"""Advice that several rules give."""

import pytest

from vg_keras.rules import advice


@pytest.mark.parametrize("name", ["LOWER_RATE", "CLIP", "INITIALIZER", "LOWER_DECAY"])
def test_advice_is_one_sentence(name):
    text = getattr(advice, name)

    assert text[0].isupper()
    assert text.endswith(".")
    assert "\n" not in text


def test_the_advice_to_raise_the_rate_names_the_factor():
    assert advice.raise_rate(31_623) == "Raise the learning rate by a factor of about 3e+04."

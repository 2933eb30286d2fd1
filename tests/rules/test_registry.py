"""The list of rules."""

from vg_keras.rules import RULES


def test_codes_and_names_are_unique_and_every_rule_gives_advice():
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.advice and rule.needs for rule in RULES)

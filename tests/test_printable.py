"""Names can't harm a terminal or a page."""

from vg_keras.printable import printable, shortened


def test_control_characters_are_shown_as_escapes():
    assert printable("a\nb\x1b[31m\u202e") == r"a\nb\x1b[31m\u202e"
    assert printable("größe 層") == "größe 層"


def test_line_breaks_can_be_kept():
    assert printable("a\nb\tc", keep="\n") == "a\nb\\tc"


def test_a_long_name_is_shortened_in_the_middle():
    assert shortened("short") == "short"
    assert shortened("encoder/block_12/attention/query") == "encoder/…attention/query"
    assert shortened("a\nb") == r"a\nb"

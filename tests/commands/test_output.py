"""Names can't harm a terminal."""

from vg_keras.commands.output import printable


def test_control_characters_are_shown_as_escapes():
    assert printable("a\nb\x1b[31m") == r"a\nb\x1b[31m"
    assert printable("größe 層") == "größe 層"

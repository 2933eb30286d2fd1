"""Names can't harm a terminal or a page."""

from vg_keras.printable import printable, shortened, shortened_apart


def test_control_characters_are_shown_as_escapes():
    assert printable("a\nb\x1b[31m\u202e") == r"a\nb\x1b[31m\u202e"
    assert printable("größe 層") == "größe 層"


def test_line_breaks_can_be_kept():
    assert printable("a\nb\tc", keep="\n") == "a\nb\\tc"


def test_a_long_name_is_shortened_in_the_middle():
    assert shortened("short") == "short"
    assert shortened("encoder/block_12/attention/query") == "encoder/…attention/query"
    assert shortened("a\nb") == r"a\nb"


def test_names_that_differ_in_the_middle_stay_apart():
    names = [f"experiment_2026_rate_{rate}_batch_64_fold_1" for rate in ("0.1", "0.01")]
    found = shortened_apart(names)

    assert len(set(found)) == 2
    assert all("…" in name for name in found)
    assert shortened_apart(["a", "a"]) == ["a", "a"]
    assert shortened_apart([]) == []
    assert shortened_apart(["\x1b" * 30, "\x1b" * 31])[0] != ""

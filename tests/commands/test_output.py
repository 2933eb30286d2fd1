"""Progress is shown only in a terminal, and what is no number is said in words."""

import math
import sys

import pytest

from vg_keras.commands import output
from vg_keras.commands.output import finite, in_words, progress, state


def use_terminal(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


def test_progress_is_shown_if_reading_takes_long(monkeypatch, capsys):
    use_terminal(monkeypatch)
    monkeypatch.setattr(output, "_WAIT", -1)
    with progress() as on_progress:
        on_progress("logs/\x1b[31m", 0.25)
    err = capsys.readouterr().err

    assert r"Reading logs/\x1b[31m" in err
    assert " 25%" in err


def test_a_short_read_shows_nothing(monkeypatch, capsys):
    use_terminal(monkeypatch)
    with progress() as on_progress:
        on_progress("logs", 0.25)

    assert capsys.readouterr().err == ""


def test_nothing_is_shown_in_a_file(monkeypatch, capsys):
    monkeypatch.setattr(output, "_WAIT", -1)
    with progress() as on_progress:
        on_progress("logs", 0.25)

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("value", "words", "number"),
    [
        (0.00123, "0.00123", 0.00123),
        (math.nan, "not recorded", None),
        (math.inf, "NaN or infinite", None),
    ],
)
def test_what_is_no_number_is_said_in_words_and_null_in_json(value, words, number):
    assert in_words(value) == words
    assert finite(value) == number
    assert state(value) == ("finite" if number else words)

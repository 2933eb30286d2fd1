"""Text that names chosen by a user are a part of, made safe to show."""

from __future__ import annotations

from collections.abc import Sequence

_MAX_LETTERS = 24


def printable(text: str, *, keep: str = "") -> str:
    r"""Returns a text in which names can't break lines, control a terminal or reverse what follows.

    Args:
        text: The text.
        keep: Characters to leave as they are, such as line breaks.

    Example:
        >>> printable("a\x1b[31m\u202eb")
        'a\\x1b[31m\\u202eb'
    """
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def shortened(name: str, most: int = _MAX_LETTERS) -> str:
    """Returns a name, printable, without its middle if it is long.

    Args:
        name: The name.
        most: The most letters that it may have.
    """
    name = printable(name)
    return name if len(name) <= most else f"{name[: most // 3]}…{name[most // 3 + 1 - most :]}"


def shortened_apart(names: Sequence[str]) -> list[str]:
    """Returns names without their middles, with as many letters as it takes to tell them apart."""
    most = _MAX_LETTERS
    while True:
        found = [shortened(name, most) for name in names]
        if len(set(found)) == len(set(names)) or most > max(map(len, found)):
            return found
        most += 8


def capitalized(text: str) -> str:
    """Returns a text with a capital letter at its beginning, and otherwise as it is."""
    return text[:1].upper() + text[1:]

"""Text that names chosen by a user are a part of, made safe to show."""

from __future__ import annotations

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


def shortened(name: str) -> str:
    """Returns a name, printable, without its middle if it is long."""
    name = printable(name)
    return name if len(name) <= _MAX_LETTERS else f"{name[:8]}…{name[9 - _MAX_LETTERS :]}"

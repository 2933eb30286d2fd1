"""Errors that the user can fix: reported in one sentence, without a traceback."""


class UsageError(ValueError):
    """Something that was requested is unavailable; the message says what, and what to do."""

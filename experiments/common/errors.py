"""The errors that are the user's to mend: told in a sentence, without a traceback."""


class UsageError(ValueError):
    """Something that was asked for can't be had; the message says what, and what to do."""

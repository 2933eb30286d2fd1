"""Selects variables and layers by path. Imports neither TensorFlow nor Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Filter: TypeAlias = str | Sequence[str] | Callable[[Any], bool] | None
"""A shell pattern of paths (`"*/kernel"`), a list of patterns, a function from the Keras object to
bool, or None for all."""


class FilterError(ValueError):
    """A filter matches no variable or no layer."""


def checked_filter(chosen: Filter, argument: str, what: str) -> Filter:
    """Checks a filter and returns it.

    Args:
        chosen: The filter.
        argument: The name of the argument.
        what: What it selects, such as "variable".

    Raises:
        TypeError: If `chosen` is not a filter.
    """
    if chosen is None or isinstance(chosen, str) or callable(chosen):
        return chosen
    patterns: list[Any]
    try:
        patterns = list(chosen)
    except TypeError:
        patterns = [chosen]
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(
            f"`{argument}` must be a pattern of paths such as '*/kernel', a list of patterns, a "
            f"function from a {what} to bool, or None. Received: {argument}={chosen!r}."
        )
    return patterns


def select(candidates: Mapping[str, Any], chosen: Filter, argument: str, what: str) -> set[str]:
    """Returns the paths that a filter matches.

    Args:
        candidates: Variables or layers by path.
        chosen: The filter.
        argument: The name of the argument.
        what: What it selects, such as "trainable variable".

    Raises:
        FilterError: If the filter matches nothing.
    """
    if chosen is None:
        return set(candidates)
    if callable(chosen):
        selected = {path for path, candidate in candidates.items() if chosen(candidate)}
    else:
        selected = matching(candidates, [chosen] if isinstance(chosen, str) else chosen)
    if candidates and not selected:
        raise FilterError(
            f"`{argument}` must match at least one {what} of the model. "
            f"Received: {argument}={chosen!r}, which matches none of {', '.join(candidates)}."
        )
    return selected


def matching(paths: Iterable[str], patterns: Sequence[str]) -> set[str]:
    """Returns the paths that match any pattern."""
    return {path for path in paths if any(fnmatchcase(path, pattern) for pattern in patterns)}


def without(candidates: Mapping[str, T], patterns: Sequence[str]) -> dict[str, T]:
    """Returns the candidates whose paths match no pattern."""
    excluded = matching(candidates, patterns)
    return {path: value for path, value in candidates.items() if path not in excluded}

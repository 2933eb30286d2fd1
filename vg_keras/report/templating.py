"""The templates of HTML pages, of reports and for notebooks.

jinja2 is imported only where a page is made. It escapes whatever is inserted.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from vg_keras.printable import capitalized, printable


def template(name: str) -> Any:
    """Returns a template by the name of its file."""
    return _environment().get_template(name)


@functools.cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=PackageLoader("vg_keras.report", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_finalized,
    )
    filters = {"number": _number, "columns": _columns, "capitalized": capitalized}
    environment.filters |= filters
    return environment


def _finalized(value: Any) -> Any:
    """Returns what is inserted: of text, no character that could reverse or hide what follows."""
    return printable(value, keep="\n") if type(value) is str else value


_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("activation_gradient_norm", "gradient at output, L2 norm", ".2g"),
    ("gradient_norm", "gradient of kernel, L2 norm", ".2g"),
    ("update_ratio", "update ratio", ".2g"),
    ("activation_rms", "output RMS", ".2g"),
    ("saturated_units", "saturated", ".0%"),
    ("dead_units", "dead", ".0%"),
)
"""The numbers of a `LayerRow` in the table by layer, their headings, and their formats."""


def _columns(rows: Sequence[Any]) -> list[tuple[str, list[str]]]:
    """Returns the headings and the cells of the numbers that were recorded of any layer."""
    values = {name: [getattr(row, name) for row in rows] for name, *_ in _COLUMNS}
    return [
        (heading, [_number(value, form) for value in values[name]])
        for name, heading, form in _COLUMNS
        if not all(map(math.isnan, values[name]))
    ]


def _number(number: float, form: str = ".2g") -> str:
    """Returns a number in words: empty if it is NaN, because nothing was recorded."""
    if math.isnan(number):
        return ""
    return "NaN or infinite" if math.isinf(number) else format(number, form)

"""The templates of HTML pages, of reports and for notebooks.

jinja2 is imported only where a page is made. It escapes whatever is inserted.
"""

from __future__ import annotations

import functools
import math
from typing import Any


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
    )
    environment.filters |= {"number": _number, "fraction": _fraction, "value": _value}
    return environment


def _number(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.2g}"


def _fraction(fraction: float) -> str:
    return "" if math.isnan(fraction) else f"{fraction:.0%}"


def _value(value: float) -> str:
    """Returns a value of a comparison: empty if nothing was recorded."""
    if math.isinf(value):
        return "NaN or infinite"
    return _number(value)

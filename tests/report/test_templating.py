"""Whatever is inserted into a page is escaped, and numbers that are not known are left empty."""

import math

import pytest
from jinja2 import UndefinedError

from vg_keras.report.templating import template

ROW = {
    "path": "<b>",
    "type": "Dense",
    "gradient_norm": 0.00123,
    "update_ratio": math.nan,
    "activation_rms": 12.0,
    "saturated_units": 0.25,
    "dead_units": math.nan,
}


def test_names_are_escaped_and_unknown_numbers_are_empty():
    page = template("notebook.html").render(text="&", figure="", step=1234, rows=[ROW], marked=[])

    assert '<pre style="white-space: pre-wrap">&amp;</pre>' in page
    assert "<caption>Step 1,234, from the input to the output.</caption>" in page
    assert (
        "<td>&lt;b&gt;</td><td>Dense</td><td>0.0012</td><td></td><td>12</td><td>25%</td><td></td>"
    ) in page


def test_a_forgotten_value_is_an_error():
    with pytest.raises(UndefinedError, match="'text' is undefined"):
        template("notebook.html").render()

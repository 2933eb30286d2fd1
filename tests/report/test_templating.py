"""Whatever is inserted into a page is escaped, and numbers that are not known are left empty."""

import math

import pytest
from jinja2 import UndefinedError

from vg_keras.layer_table import LayerRow
from vg_keras.report.templating import template

ROWS = [
    LayerRow("<b>", "Dense", 0.00123, math.nan, math.nan, 12.0, 0.25, math.nan),
    LayerRow("b", "Dense", math.nan, math.nan, math.nan, math.inf, 1.0, math.nan),
]


def test_names_are_escaped_and_unknown_numbers_are_empty():
    page = template("notebook.html").render(text="&", figure="", step=1234, rows=ROWS, marked=[])

    assert '<pre style="white-space: pre-wrap">&amp;</pre>' in page
    assert "<caption>Step 1,234, from the input to the output.</caption>" in page
    assert "<th>type</th><th>gradient at output, L2 norm</th><th>output RMS</th>" in page
    assert "<td>&lt;b&gt;</td><td>Dense</td><td>0.0012</td><td>12</td><td>25%</td></tr>" in page
    assert "<td>b</td><td>Dense</td><td></td><td>NaN or infinite</td><td>100%</td></tr>" in page


def test_text_that_is_reversed_or_hidden_is_shown_as_escapes():
    page = template("notebook.html").render(
        text="a\nb\u202ec\x1b", figure="", step=None, rows=[], marked=[]
    )

    assert "a\nb\\u202ec\\x1b</pre>" in page


def test_a_forgotten_value_is_an_error():
    with pytest.raises(UndefinedError, match="'text' is undefined"):
        template("notebook.html").render()

"""What a notebook shows of a monitor."""

import base64
import re
from html.parser import HTMLParser

import pytest
from scripted_records import MODEL, full_record, layer, model_of, sketch_of, training_of

from vg_keras.notebook_view import html
from vg_keras.record import Record
from vg_keras.rules import Diagnosis, Verdict, examine

SICK = Diagnosis("VG1", "bad", "error", "it is bad.", ("dense",), 0, 5, {}, ("Do this.",))


class Cells(HTMLParser):
    """Collects the text of each table row, and the names of all tags."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags, self.is_cell = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.is_cell = True

    def handle_endtag(self, tag):
        self.is_cell = self.is_cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self.is_cell:
            self.rows[-1][-1] += data


def test_the_verdict_a_figure_and_a_table_are_shown():
    training = training_of(full_record(), model=MODEL)
    verdict = examine(training)
    shown = html("All is <well>.", training, verdict)
    cells = Cells(shown)
    png = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', shown).group(1))

    assert "All is &lt;well&gt;.</pre>" in shown
    assert png.startswith(b"\x89PNG")
    assert cells.rows == [
        [
            *("layer", "type", "gradient at output, L2 norm", "gradient of kernel, L2 norm"),
            *("update ratio", "output RMS", "saturated", "dead"),
        ],
        ["dense", "Dense", "1.7", "5", "0.25", "4", "25%", "12%"],
    ]


def test_layers_of_a_diagnosis_are_marked():
    training = training_of(full_record(), model=MODEL)
    cells = Cells(html("", training, Verdict((SICK,), 1, 3, 3)))

    assert cells.rows[1][0] == "\N{WARNING SIGN} dense"


def test_names_are_shown_as_text():
    hostile = "<script>alert(1)</script>"
    outputs = {hostile: sketch_of([1.0])}
    record = Record(0, 0.0, {f"{hostile}/kernel": sketch_of([1.0])}, activation_gradients=outputs)
    model = model_of(layer(hostile, "kernel", output_shape=(None, 3)))
    training = training_of(record, model=model)
    shown = html(hostile, training, Verdict())
    cells = Cells(shown)

    assert "script" not in cells.tags
    assert cells.rows[1][0] == hostile


def test_what_was_not_recorded_has_no_column():
    shown = html("", training_of(Record(0, 0.0, {})), Verdict())

    assert Cells(shown).rows[1] == ["dense", "Dense"]
    assert "<img" not in shown


@pytest.mark.parametrize("training", [None, training_of()])
def test_before_training_there_is_only_the_verdict(training):
    assert Cells(html("", training, Verdict())).tags == ["pre"]

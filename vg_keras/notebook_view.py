"""What a notebook shows of a monitor: the verdict, a table by layer, and a small figure.

Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import base64
import io
import math
from html import escape

from vg_keras.layer_table import LayerRow, layer_table
from vg_keras.record import Training
from vg_keras.rules.verdict import Verdict

_COLUMNS = ("layer", "type", "gradient norm", "update ratio", "output RMS", "saturated", "dead")


def html(text: str, training: Training | None, verdict: Verdict) -> str:
    """Returns an HTML fragment. Any text that a user has chosen is escaped.

    Args:
        text: The verdict in words.
        training: The training run, or None if nothing has been recorded.
        verdict: The verdict.
    """
    parts = [f'<pre style="white-space: pre-wrap">{escape(text)}</pre>']
    if training is not None and training.records:
        parts += [_figure(training), _table(training, verdict)]
    return "\n".join(parts)


def _figure(training: Training) -> str:
    """Returns an image of the gradient flow, or nothing if there is none to draw."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from vg_keras.figures.gradient_flow import gradient_flow

    figure = Figure(figsize=(6, 2.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    try:
        gradient_flow(training, figure.subplots())
    except ValueError:  # no layer is monitored
        return ""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    data = base64.b64encode(file.getvalue()).decode()
    description = "Norm of the gradient at the output of every layer and step"
    return f'<img alt="{description}" src="data:image/png;base64,{data}">'


def _table(training: Training, verdict: Verdict) -> str:
    record = training.records[-1]
    paths = {path for diagnosis in verdict.diagnoses for path in diagnosis.paths}
    rows = [_row(row, row.path in paths) for row in layer_table(training.model, record)]
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    return (
        f"<table><caption>Step {record.step:,}, from the input to the output. Layers of a "
        f"diagnosis are marked with &#9888;.</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _row(row: LayerRow, is_marked: bool) -> str:
    mark = "&#9888; " if is_marked else ""
    numbers = [_number(n) for n in (row.gradient_norm, row.update_ratio, row.activation_rms)]
    fractions = [_fraction(f) for f in (row.saturated_units, row.dead_units)]
    cells = [f"{mark}{escape(row.path)}", escape(row.type), *numbers, *fractions]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _number(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.2g}"


def _fraction(fraction: float) -> str:
    return "" if math.isnan(fraction) else f"{fraction:.0%}"

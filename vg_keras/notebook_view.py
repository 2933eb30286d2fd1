"""What a notebook shows of a monitor: the verdict, a small figure, and a table by layer.

Imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

from typing import Any

from vg_keras.layer_table import layer_table
from vg_keras.record import Training
from vg_keras.report.templating import template
from vg_keras.rules.verdict import Verdict


def html(text: str, training: Training | None, verdict: Verdict) -> str:
    """Returns an HTML fragment. Any text that a user has chosen is escaped.

    Args:
        text: The verdict in words.
        training: The training run, or None if nothing has been recorded.
        verdict: The verdict.
    """
    contents: dict[str, Any] = {"text": text, "figure": "", "step": None}
    if training is not None and training.records:
        record = training.records[-1]
        contents |= {
            "figure": _figure(training),
            "step": record.step,
            "rows": layer_table(training.model, record),
            "marked": training.model.layers_of(verdict.paths),
        }
    fragment: str = template("notebook.html").render(contents)
    return fragment


def _figure(training: Training) -> str:
    """Returns a picture of the gradient flow as a data URI, or nothing if there is none to draw."""
    from matplotlib.figure import Figure

    from vg_keras.figures import gradient_flow
    from vg_keras.figures.drawing import data_uri

    figure = Figure(figsize=(6, 2.5), dpi=100, layout="constrained")
    try:
        gradient_flow(training, figure.subplots())
    except ValueError:  # no gradients are recorded
        return ""
    return data_uri(figure)

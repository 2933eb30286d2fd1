"""Turns records into TensorBoard events, for TensorBoard's own tabs.

Pure functions from records to protocol buffers. `format.py` defines the names, and `writer.py`
writes the events to a file.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.plugins.text import metadata as text_metadata

from vg_keras.cost import Cost
from vg_keras.log import format as log_format
from vg_keras.quantities import CHARTS
from vg_keras.ranking import NormHistory, largest
from vg_keras.record import ModelDescription, Record, Training
from vg_keras.sketch.histogram import histograms, log10_histograms

KINDS = tuple(CHARTS)
"""The kinds of charts that `record_event` can write: the prefixes of their tags."""

_NUM_RANKED = 5
"""Number of variables in each table of a ranking."""

_MAX_TEMPLATES = 1 << 15
"""Size of the cache of the constant parts of charts: enough for a model of 1,000 layers."""


def record_event(
    record: Record,
    model: ModelDescription,
    kinds: Collection[str] = KINDS,
    describe: Collection[str] = KINDS,
    history: NormHistory | None = None,
) -> event_pb2.Event:
    """Returns the event that contains everything measured at a step.

    Args:
        record: The record of the step.
        model: The model that it describes.
        kinds: Which charts to write, a subset of `KINDS`. The payload that `reader.py` reads back
            is always written.
        describe: Which of these charts to write with their description. TensorBoard keeps only the
            first one of a tag.
        history: The gradient norms of earlier records.
    """
    event = event_pb2.Event(step=record.step, wall_time=record.wall_time)
    values = event.summary.value
    values.append(_payload(log_format.RECORD_TAG, log_format.encode_record(record, model)))
    history = history or NormHistory()
    for kind in kinds:
        add = _ADD[CHARTS[kind][1].form]
        add(values, kind, record, kind in describe, history)
    return event


def training_event(training: Training, step: int, wall_time: float) -> event_pb2.Event:
    """Returns the event that begins a training run: its description and the layout of its charts.

    Args:
        training: The training run. Its records and cost are not written.
        step: The step of its first record.
        wall_time: The time of its first record, in seconds since 1970.
    """
    values = [
        _payload(log_format.TRAINING_TAG, log_format.encode_training(training)),
        _string(
            custom_scalars.CONFIG_SUMMARY_TAG,
            _layout(training.model).SerializeToString(),
            custom_scalars.create_summary_metadata(),
        ),
    ]
    summary = summary_pb2.Summary(value=values)
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary)


def resumption_event(step: int, wall_time: float) -> event_pb2.Event:
    """Returns the event that tells TensorBoard that training resumes at a step."""
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    return event_pb2.Event(step=step, wall_time=wall_time, session_log=start)


def cost_event(cost: Cost, step: int, wall_time: float) -> event_pb2.Event:
    """Returns the event that contains the cost of recording so far."""
    value = _payload(log_format.COST_TAG, log_format.encode_cost(cost))
    summary = summary_pb2.Summary(value=[value])
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary)


def _add_scalars(
    values: Any, kind: str, record: Record, describe: bool, history: NormHistory
) -> None:
    quantity, chart = CHARTS[kind]
    if chart.read is None:
        raise ValueError(f"A scalar needs a number. Received: {kind!r}.")
    paths = quantity.paths_in(record)
    with np.errstate(over="ignore"):  # what exceeds float32 becomes infinite
        numbers = np.array([chart.read(record, p) for p in paths], np.float64).astype(np.float32)
    content = numbers.tobytes()
    for i, path in enumerate(paths):
        value = values.add()
        value.CopyFrom(_template(kind, path, describe))
        value.tensor.tensor_content = content[4 * i : 4 * i + 4]


def _add_ranking(
    values: Any, kind: str, record: Record, describe: bool, history: NormHistory
) -> None:
    """Adds a text with two short tables, however many variables there are."""
    if not record.gradients:
        return
    top = largest(history.ranked(record), _NUM_RANKED)
    changed = history.most_changed(record, _NUM_RANKED)
    lines = ["**Largest gradients**", "", "| variable | norm |", "|---|---|"]
    lines += [f"| {_cell(one.path)} | {one.norm:.3g} |" for one in top]
    if changed:
        lines += ["", "**Furthest from their usual norm**", ""]
        lines += ["| variable | norm | usual norm |", "|---|---|---|"]
        lines += [
            f"| {_cell(one.path)} | {one.norm:.3g} | {one.usual_norm:.3g} |" for one in changed
        ]
    of_plugin = text_metadata.create_summary_metadata("", _description(kind, describe))
    values.append(_string(kind, "\n".join(lines).encode(), of_plugin))


def _cell(path: str) -> str:
    return path.replace("|", "\\|")


def _add_histograms(
    values: Any, kind: str, record: Record, describe: bool, history: NormHistory
) -> None:
    quantity, chart = CHARTS[kind]
    bars_of = histograms if chart.form == "histogram" else log10_histograms
    sketches = getattr(record, quantity.name)
    for path, bars in zip(sketches, bars_of(list(sketches.values())), strict=True):
        if len(bars):  # else no element is finite, or nonzero on a log axis
            value = values.add()
            value.CopyFrom(_template(kind, path, describe))
            short = _short(bars)
            value.tensor.tensor_content = (bars if short is None else short).tobytes()
            value.tensor.dtype = types_pb2.DT_DOUBLE if short is None else types_pb2.DT_FLOAT
            value.tensor.tensor_shape.dim[0].size = len(bars)


_ADD = {
    "scalar": _add_scalars,
    "histogram": _add_histograms,
    "log10_histogram": _add_histograms,
    "text": _add_ranking,
}
"""The function that adds the charts of each form."""


def _short(bars: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """Returns bars as float32, half the size, or None if that would change counts or overflow."""
    with np.errstate(over="ignore"):
        short = bars.astype(np.float32)
    is_same = np.isfinite(short).all() and np.array_equal(short[:, 2], bars[:, 2])
    return short if is_same else None


@functools.lru_cache(_MAX_TEMPLATES)
def _template(kind: str, path: str, describe: bool) -> summary_pb2.Summary.Value:
    """Returns a chart without its values. Copying it is faster than building a new one."""
    description = _description(kind, describe)
    if CHARTS[kind][1].form == "scalar":
        of_plugin = scalar_metadata.create_summary_metadata("", description)
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT)
        tensor.tensor_shape.SetInParent()
    else:
        of_plugin = histogram_metadata.create_summary_metadata("", description)
        tensor = tensor_pb2.TensorProto()
        for size in (0, 3):
            tensor.tensor_shape.dim.add(size=size)
    tag = log_format.tag(kind, path)
    return summary_pb2.Summary.Value(tag=tag, metadata=of_plugin, tensor=tensor)


def _description(kind: str, describe: bool) -> str:
    return CHARTS[kind][1].description if describe else ""


def _payload(tag: str, payload: bytes) -> summary_pb2.Summary.Value:
    summary_metadata = summary_pb2.SummaryMetadata(
        plugin_data={"plugin_name": log_format.PLUGIN_NAME},
        data_class=summary_pb2.DATA_CLASS_BLOB_SEQUENCE,
    )
    return _string(tag, payload, summary_metadata)


def _string(
    tag: str, string: bytes, summary_metadata: summary_pb2.SummaryMetadata
) -> summary_pb2.Summary.Value:
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[string])
    return summary_pb2.Summary.Value(tag=tag, metadata=summary_metadata, tensor=tensor)


def _layout(model: ModelDescription) -> layout_pb2.Layout:
    """Returns the layout of the Custom Scalars tab: one chart for many layers or variables."""
    names = dict.fromkeys(path.rpartition("/")[2] for path in model.variables)
    categories = [
        layout_pb2.Category(
            title="Gradient flow",
            chart=[
                _multiline("global gradient norm", "global_gradient_norm"),
                *_charts_of_variables("gradient norm", "gradient_norm", names),
                *_charts_of_layers(model),
            ],
        ),
        layout_pb2.Category(
            title="Updates",
            chart=_charts_of_variables("update ratio", "update_ratio", names),
        ),
    ]
    return layout_pb2.Layout(category=categories)


def _charts_of_variables(title: str, kind: str, names: Collection[str]) -> list[layout_pb2.Chart]:
    charts = [_multiline(f"{title}, every variable", f"{kind}/.*")]
    if len(names) > 1:
        charts += [
            _multiline(f"{title}, every {name}", f"{kind}/(.*/)?{re.escape(name)}")
            for name in names
        ]
    return charts


def _charts_of_layers(model: ModelDescription) -> list[layout_pb2.Chart]:
    titles = {
        "activation_gradient_rms": "RMS of the activation gradient, every layer",
        "saturated_units": "fraction of saturated units, every layer",
        "dead_units": "fraction of dead units, every layer",
    }
    return [_multiline(title, f"{kind}/.*") for kind, title in titles.items() if model.outputs]


def _multiline(title: str, regex: str) -> layout_pb2.Chart:
    return layout_pb2.Chart(
        title=title, multiline=layout_pb2.MultilineChartContent(tag=[f"^{regex}$"])
    )

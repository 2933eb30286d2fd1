"""Turns records into TensorBoard events, for TensorBoard's own tabs.

Pure functions from records to protocol buffers. `format.py` and `chart_names.py` define the names,
`flow_charts.py` adds the charts that need more than one record, and `writer.py` writes the events
to a file.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.plugins.text import metadata as text_metadata

from vg_keras.cost import Cost
from vg_keras.log import format as log_format
from vg_keras.log.chart_names import chart_names
from vg_keras.log.image import Image
from vg_keras.quantities import CHARTS
from vg_keras.ranking import NormHistory, largest
from vg_keras.record import ModelDescription, Record, Training
from vg_keras.rules.verdict import Verdict
from vg_keras.sketch.histogram import histograms, log10_histograms

KINDS = tuple(CHARTS)
"""All kinds of charts, by which `charts=` selects them."""

DEFAULT_KINDS = tuple(kind for kind, (_, chart) in CHARTS.items() if chart.is_default)
"""The kinds of charts that are written by default."""

FLOW_KINDS = tuple(kind for kind in KINDS if CHARTS[kind][0].name == "gradient_flow")
"""The kinds of charts that `flow_charts.py` makes, not `record_event`."""

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
    names: Mapping[str, str] | None = None,
) -> event_pb2.Event:
    """Returns the event that contains everything measured at a step, but for `FLOW_KINDS`.

    Args:
        record: The record of the step.
        model: The model that it describes.
        kinds: Which charts to write, a subset of `KINDS`. The payload that `reader.py` reads back
            is always written.
        describe: Which of these charts to write with their description. TensorBoard keeps only the
            first one of a tag.
        history: The gradient norms of earlier records.
        names: The result of `chart_names`, if it is known.
    """
    event = event_pb2.Event(step=record.step, wall_time=record.wall_time)
    values = event.summary.value
    values.append(_payload(log_format.RECORD_TAG, log_format.encode_record(record, model)))
    named = {"": "", **(names or chart_names(model))}
    kernels = frozenset(model.kernels or model.variables)
    for kind in kinds:
        quantity, chart = CHARTS[kind]
        if kind in FLOW_KINDS:
            continue
        if chart.form == "text":
            _add_ranking(values, kind, record, kind in describe, history or NormHistory())
            continue
        paths = quantity.paths_in(record)
        shown = {
            path: named[path]
            for path in paths
            if (path in kernels or not chart.only_kernels) and chart.is_defined(record, path)
        }
        _ADD[chart.form](values, kind, record, kind in describe, shown)
    return event


def training_event(
    training: Training, step: int, wall_time: float, kinds: Collection[str] = KINDS
) -> event_pb2.Event:
    """Returns the event that begins a training run: its description and the layout of its charts.

    Args:
        training: The training run. Its records and cost are not written.
        step: The step of its first record.
        wall_time: The time of its first record, in seconds since 1970.
        kinds: Which charts the layout consists of: those that are written.
    """
    values = [
        _payload(log_format.TRAINING_TAG, log_format.encode_training(training)),
        _string(
            custom_scalars.CONFIG_SUMMARY_TAG,
            _layout(training.model, kinds).SerializeToString(),
            custom_scalars.create_summary_metadata(),
        ),
    ]
    summary = summary_pb2.Summary(value=values)
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary)


def resumption_event(step: int, wall_time: float) -> event_pb2.Event:
    """Returns the event that tells TensorBoard that training resumes at a step."""
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    return event_pb2.Event(step=step, wall_time=wall_time, session_log=start)


def verdict_event(verdict: Verdict, step: int, wall_time: float) -> event_pb2.Event:
    """Returns the event that contains the verdict on the records so far."""
    value = _payload(log_format.VERDICT_TAG, log_format.encode_verdict(verdict))
    summary = summary_pb2.Summary(value=[value])
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary)


def cost_event(cost: Cost, step: int, wall_time: float) -> event_pb2.Event:
    """Returns the event that contains the cost of recording so far."""
    value = _payload(log_format.COST_TAG, log_format.encode_cost(cost))
    summary = summary_pb2.Summary(value=[value])
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary)


def _add_scalars(
    values: Any, kind: str, record: Record, describe: bool, names: Mapping[str, str]
) -> None:
    _, chart = CHARTS[kind]
    if chart.read is None:
        raise ValueError(f"A scalar needs a number. Received: {kind!r}.")
    numbers = np.array([chart.read(record, path) for path in names], np.float64)
    with np.errstate(over="ignore", divide="ignore"):  # what exceeds float32 becomes infinite
        if chart.form == "log10_scalar":
            numbers = np.log10(numbers)
        numbers = numbers.astype(np.float32)
    # TensorBoard draws NaN as a triangle, and can't draw the logarithm of zero.
    is_drawn = ~np.isinf(numbers) if chart.form == "log10_scalar" else np.ones(len(numbers), bool)
    content = numbers.tobytes()
    for i, name in enumerate(names.values()):
        if is_drawn[i]:
            value = values.add()
            value.CopyFrom(_template(kind, name, describe))
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
    values.append(text_value(kind, "\n".join(lines), describe))


def text_value(kind: str, text: str, describe: bool) -> summary_pb2.Summary.Value:
    """Returns a chart that is a text in Markdown."""
    of_plugin = text_metadata.create_summary_metadata("", _description(kind, describe))
    return _string(log_format.tag(kind), text.encode(), of_plugin)


def scalar_value(kind: str, number: float, describe: bool) -> summary_pb2.Summary.Value:
    """Returns a chart that is a number of the model as a whole."""
    value = summary_pb2.Summary.Value()
    value.CopyFrom(_template(kind, "", describe))
    value.tensor.tensor_content = np.float32(number).tobytes()
    return value


def image_value(kind: str, image: Image, describe: bool) -> summary_pb2.Summary.Value:
    """Returns a chart that is an image."""
    size = [str(image.width).encode(), str(image.height).encode()]
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[*size, image.png])
    tensor.tensor_shape.dim.add(size=3)
    return summary_pb2.Summary.Value(
        tag=log_format.tag(kind),
        metadata=image_metadata.create_summary_metadata("", _description(kind, describe)),
        tensor=tensor,
    )


def _cell(path: str) -> str:
    return path.replace("|", "\\|")


def _add_histograms(
    values: Any, kind: str, record: Record, describe: bool, names: Mapping[str, str]
) -> None:
    quantity, chart = CHARTS[kind]
    bars_of = histograms if chart.form == "histogram" else log10_histograms
    sketches = getattr(record, quantity.name)
    all_bars = bars_of([sketches[path] for path in names])
    for name, bars in zip(names.values(), all_bars, strict=True):
        if len(bars):  # else no element is finite, or nonzero on a log axis
            value = values.add()
            value.CopyFrom(_template(kind, name, describe))
            short = _short(bars)
            value.tensor.tensor_content = (bars if short is None else short).tobytes()
            value.tensor.dtype = types_pb2.DT_DOUBLE if short is None else types_pb2.DT_FLOAT
            value.tensor.tensor_shape.dim[0].size = len(bars)


_ADD = {
    "scalar": _add_scalars,
    "log10_scalar": _add_scalars,
    "histogram": _add_histograms,
    "log10_histogram": _add_histograms,
}
"""The function that adds the charts of each form, given the names of the paths to show."""


def _short(bars: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """Returns bars as float32, half the size, or None if that would change counts or overflow."""
    with np.errstate(over="ignore"):
        short = bars.astype(np.float32)
    is_same = np.isfinite(short).all() and np.array_equal(short[:, 2], bars[:, 2])
    return short if is_same else None


@functools.lru_cache(_MAX_TEMPLATES)
def _template(kind: str, name: str, describe: bool) -> summary_pb2.Summary.Value:
    """Returns a chart without its values. Copying it is faster than building a new one."""
    description = _description(kind, describe)
    if CHARTS[kind][1].form.endswith("scalar"):
        of_plugin = scalar_metadata.create_summary_metadata("", description)
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT)
        tensor.tensor_shape.SetInParent()
    else:
        of_plugin = histogram_metadata.create_summary_metadata("", description)
        tensor = tensor_pb2.TensorProto()
        for size in (0, 3):
            tensor.tensor_shape.dim.add(size=size)
    tag = log_format.tag(kind, name)
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


_TITLES = {
    "decades_lost": "decades lost from the last hidden layer to the first",
    "activation_gradient_norm": "log10 of the activation gradient, every layer",
    "kernel_update_ratio": "log10 of the update ratio, every kernel",
    "global_gradient_norm": "log10 of the global gradient norm",
    "gradient_norm": "log10 of the gradient norm, every {}",
    "update_ratio": "log10 of the update ratio, every {}",
    "activation_gradient_rms": "log10 of the RMS of the activation gradient, every layer",
    "saturated_units": "fraction of saturated units, every layer",
    "dead_units": "fraction of dead units, every layer",
}
"""The titles of the charts in the Custom Scalars tab, by kind, in their order."""


def _layout(model: ModelDescription, kinds: Collection[str]) -> layout_pb2.Layout:
    """Returns the layout of the Custom Scalars tab: one chart for many layers or variables."""
    found = []
    for kind, title in _TITLES.items():
        of = CHARTS[kind][0].of
        if kind in kinds and (model.outputs or of != "layers"):
            found += _charts_of(kind, title, model) if "{}" in title else [_chart(kind, title)]
    return layout_pb2.Layout(category=[layout_pb2.Category(title="Gradient flow", chart=found)])


def _charts_of(kind: str, title: str, model: ModelDescription) -> list[layout_pb2.Chart]:
    """Returns a chart of all variables, and one for those of each name, such as "kernel"."""
    names = dict.fromkeys(path.rpartition("/")[2] for path in model.variables)
    charts = [_chart(kind, title.format("variable"))]
    if len(names) > 1:
        charts += [_chart(kind, title.format(name), f"(.*/)?{re.escape(name)}") for name in names]
    return charts


def _chart(kind: str, title: str, pattern: str = ".*") -> layout_pb2.Chart:
    quantity, chart = CHARTS[kind]
    of_name = f"/{pattern}" if quantity.of != "model" else ""
    return layout_pb2.Chart(
        title=title,
        multiline=layout_pb2.MultilineChartContent(tag=[f"^{re.escape(chart.prefix)}{of_name}$"]),
    )

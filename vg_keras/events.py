"""Turns records into TensorBoard events: what a run looks like to TensorBoard's own tabs.

Pure functions from a contract to a protocol buffer. The names come from `metadata.py`; the file
that the events go to is kept by `writer.py`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.plugins.text import metadata as text_metadata

from vg_keras import metadata
from vg_keras.cost import Cost
from vg_keras.metadata import norm_to_plot, rms_to_plot
from vg_keras.ranking import NormHistory, largest
from vg_keras.record import ModelDescription, Record
from vg_keras.statistics.histogram import histograms, log10_histograms
from vg_keras.statistics.sketch import Sketch

DESCRIPTIONS = {
    metadata.GRADIENTS: "Values of the gradient that trained this variable at this step.",
    metadata.LOG10_GRADIENTS: (
        "log10 of the magnitudes of the gradient's values, zeros left out: -6 stands for 0.000001. "
        "Layers whose bars lie a unit apart have gradients a decade apart."
    ),
    metadata.GRADIENT_NORM: (
        "L2 norm of the gradient that trained this variable at this step, before clipping. "
        "NaN where any of its values is not finite."
    ),
    metadata.GLOBAL_GRADIENT_NORM: (
        "L2 norm of the gradients of all monitored variables together, before clipping. NaN where "
        "any value is not finite."
    ),
    metadata.LARGEST_GRADIENTS: (
        "The variables with the largest gradients, and those whose gradient differs most from what "
        "was usual for it: the median of the records before."
    ),
    metadata.LOSS_GRADIENT_NORM: (
        "L2 norm of the gradient of the loss without this variable's regularizer."
    ),
    metadata.REGULARIZATION_GRADIENT_NORM: (
        "L2 norm of what its regularizer adds to this variable's gradient. Where that is all there "
        "is of the gradient, the loss teaches this layer nothing."
    ),
    metadata.UPDATE_RATIO: (
        "L2 norm of new minus old value of this variable, relative to that of the old value: what "
        "the optimizer really did. About 0.001 is healthy."
    ),
    metadata.WEIGHTS: "Values of this variable before the update.",
    metadata.FIRST_MOMENTS: "Values of what the optimizer keeps of this variable as momentum.",
    metadata.SECOND_MOMENTS: "Values of what the optimizer keeps of this variable as velocity.",
    metadata.ACTIVATIONS: "Values of this layer's output.",
    metadata.ACTIVATION_GRADIENTS: (
        "Values of dL/d(output) at this layer, the backpropagated signal, where L is the mean loss "
        "of the batch."
    ),
    metadata.LOG10_ACTIVATION_GRADIENTS: (
        "log10 of the magnitudes of dL/d(output), zeros left out. Layers whose bars lie a unit "
        "apart have signals a decade apart."
    ),
    metadata.ACTIVATION_GRADIENT_RMS: (
        "Root mean square of dL/d(output): how strong the backpropagated signal is at this layer."
    ),
    metadata.ACTIVATION_GRADIENT_RMS_PER_EXAMPLE: (
        "The same times the number of examples in the batch: that of one example's own loss, which "
        "does not depend on the size of the batch."
    ),
    metadata.SATURATED_UNITS: (
        "Fraction of units whose activation function is almost level where they are, averaged over "
        "the examples."
    ),
    metadata.DEAD_UNITS: (
        "Fraction of units that were zero on every example of the last records, up to ten of them."
    ),
}

KINDS = tuple(DESCRIPTIONS)
"""The kinds of charts, which `record_event` writes on request."""

_HISTOGRAMS: dict[str, tuple[str, Callable[[Sequence[Sketch]], list[NDArray[np.float64]]]]] = {
    metadata.GRADIENTS: ("gradients", histograms),
    metadata.LOG10_GRADIENTS: ("gradients", log10_histograms),
    metadata.WEIGHTS: ("weights", histograms),
    metadata.FIRST_MOMENTS: ("first_moments", histograms),
    metadata.SECOND_MOMENTS: ("second_moments", histograms),
    metadata.ACTIVATIONS: ("activations", histograms),
    metadata.ACTIVATION_GRADIENTS: ("activation_gradients", histograms),
    metadata.LOG10_ACTIVATION_GRADIENTS: ("activation_gradients", log10_histograms),
}
"""For each kind the attribute of a record that it shows, and how its bars are made."""

_SCALARS: dict[str, tuple[str, Callable[[Record, str], float]]] = {
    metadata.GRADIENT_NORM: ("gradients", lambda r, p: norm_to_plot(r.gradients[p])),
    metadata.LOSS_GRADIENT_NORM: ("loss_gradients", lambda r, p: norm_to_plot(r.loss_gradients[p])),
    metadata.REGULARIZATION_GRADIENT_NORM: (
        "regularization_gradients",
        lambda r, p: norm_to_plot(r.regularization_gradients[p]),
    ),
    metadata.UPDATE_RATIO: ("update_norms", Record.update_ratio),
    metadata.ACTIVATION_GRADIENT_RMS: (
        "activation_gradients",
        lambda r, p: rms_to_plot(r.activation_gradients[p]),
    ),
    metadata.ACTIVATION_GRADIENT_RMS_PER_EXAMPLE: (
        "activation_gradients",
        lambda r, p: rms_to_plot(r.activation_gradients[p]) * r.examples[p],
    ),
    metadata.SATURATED_UNITS: ("saturated_units", lambda r, p: r.saturated_units[p]),
    metadata.DEAD_UNITS: ("dead_units", lambda r, p: r.dead_units[p]),
}
"""For each kind the attribute of a record whose paths it has, and the number at a path."""

HISTOGRAMS = tuple(_HISTOGRAMS)
"""The kinds of charts that are histograms."""

TEXTS = (metadata.LARGEST_GRADIENTS,)
"""The kinds of charts that are texts."""

_NUM_RANKED = 5
"""Variables in each table of those that stand out."""

_MAX_TEMPLATES = 1 << 15
"""Charts whose constant parts are kept: those of a model of 1,000 layers."""


def record_event(
    record: Record,
    model: ModelDescription,
    kinds: Collection[str] = KINDS,
    describe: Collection[str] = KINDS,
    history: NormHistory | None = None,
) -> event_pb2.Event:
    """Returns the one event that holds everything measured at a step.

    Args:
        record: What was measured.
        model: The model it was measured at.
        kinds: Which charts to write, out of `KINDS`. The payload that `reader.py` reads back is
            written in any case.
        describe: Which of these charts bring their description, of which TensorBoard keeps the
            first.
        history: The gradients of earlier records.
    """
    event = event_pb2.Event(step=record.step, wall_time=record.wall_time)
    values = event.summary.value
    values.append(_payload(metadata.RECORD_TAG, metadata.encode_record(record, model)))
    for kind in kinds:
        if kind == metadata.LARGEST_GRADIENTS:
            _add_ranking(values, record, history or NormHistory(), kind in describe)
        elif kind == metadata.GLOBAL_GRADIENT_NORM:
            _add_global_norm(values, record, kind in describe)
        elif kind in _SCALARS:
            _add_scalars(values, kind, record, kind in describe)
        else:
            _add_histograms(values, kind, record, kind in describe)
    return event


def model_event(model: ModelDescription, step: int, wall_time: float) -> event_pb2.Event:
    """Returns the event that describes the model and lays related charts together."""
    values = [
        _payload(metadata.MODEL_TAG, metadata.encode_model(model)),
        _string(
            custom_scalars.CONFIG_SUMMARY_TAG,
            _layout(model).SerializeToString(),
            custom_scalars.create_summary_metadata(),
        ),
    ]
    summary = summary_pb2.Summary(value=values)
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary)


def resumption_event(step: int, wall_time: float) -> event_pb2.Event:
    """Returns the event that says that a training goes on at a step, as TensorBoard knows it."""
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    return event_pb2.Event(step=step, wall_time=wall_time, session_log=start)


def cost_event(cost: Cost, step: int, wall_time: float) -> event_pb2.Event:
    """Returns the event that says what the monitor has cost so far."""
    summary = summary_pb2.Summary(value=[_payload(metadata.COST_TAG, metadata.encode_cost(cost))])
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary)


def _add_scalars(values: Any, kind: str, record: Record, describe: bool) -> None:
    attribute, number = _SCALARS[kind]
    paths = list(getattr(record, attribute))
    with np.errstate(over="ignore"):  # what float32 does not hold is infinite
        numbers = np.array([number(record, path) for path in paths], np.float64).astype(np.float32)
    content = numbers.tobytes()
    for i, path in enumerate(paths):
        value = values.add()
        value.CopyFrom(_template(kind, path, describe))
        value.tensor.tensor_content = content[4 * i : 4 * i + 4]


def _add_global_norm(values: Any, record: Record, describe: bool) -> None:
    if record.gradients:
        value = values.add()
        value.CopyFrom(_template(metadata.GLOBAL_GRADIENT_NORM, "", describe))
        with np.errstate(over="ignore"):
            value.tensor.tensor_content = np.float32(record.global_gradient_norm).tobytes()


def _add_ranking(values: Any, record: Record, history: NormHistory, describe: bool) -> None:
    """Adds a text with the variables that stand out: two tables, however many there are."""
    if not record.gradients:
        return
    kind = metadata.LARGEST_GRADIENTS
    top = largest(history.ranked(record), _NUM_RANKED)
    changed = history.most_changed(record, _NUM_RANKED)
    lines = ["**Largest gradients**", "", "| variable | norm |", "|---|---|"]
    lines += [f"| {_cell(one.path)} | {one.norm:.3g} |" for one in top]
    if changed:
        lines += ["", "**Furthest from their own past**", ""]
        lines += ["| variable | norm | usual norm |", "|---|---|---|"]
        lines += [
            f"| {_cell(one.path)} | {one.norm:.3g} | {one.usual_norm:.3g} |" for one in changed
        ]
    of_plugin = text_metadata.create_summary_metadata("", DESCRIPTIONS[kind] if describe else "")
    values.append(_string(kind, "\n".join(lines).encode(), of_plugin))


def _cell(path: str) -> str:
    return path.replace("|", "\\|")


def _add_histograms(values: Any, kind: str, record: Record, describe: bool) -> None:
    attribute, bars_of = _HISTOGRAMS[kind]
    sketches = getattr(record, attribute)
    for path, bars in zip(sketches, bars_of(list(sketches.values())), strict=True):
        if len(bars):  # else nothing is finite, or there are but zeros: there is nothing to draw
            value = values.add()
            value.CopyFrom(_template(kind, path, describe))
            short = _short(bars)
            value.tensor.tensor_content = (bars if short is None else short).tobytes()
            value.tensor.dtype = types_pb2.DT_DOUBLE if short is None else types_pb2.DT_FLOAT
            value.tensor.tensor_shape.dim[0].size = len(bars)


def _short(bars: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """Returns bars as float32, half the bytes, or None where that would lose counts or a range."""
    with np.errstate(over="ignore"):
        short = bars.astype(np.float32)
    is_same = np.isfinite(short).all() and np.array_equal(short[:, 2], bars[:, 2])
    return short if is_same else None


@functools.lru_cache(_MAX_TEMPLATES)
def _template(kind: str, path: str, describe: bool) -> summary_pb2.Summary.Value:
    """Returns a chart without its numbers, to be copied: making one takes longer than that."""
    description = DESCRIPTIONS[kind] if describe else ""
    if kind not in _HISTOGRAMS:
        of_plugin = scalar_metadata.create_summary_metadata("", description)
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT)
        tensor.tensor_shape.SetInParent()
    else:
        of_plugin = histogram_metadata.create_summary_metadata("", description)
        tensor = tensor_pb2.TensorProto()
        for size in (0, 3):
            tensor.tensor_shape.dim.add(size=size)
    tag = metadata.tag(kind, path) if path else kind
    return summary_pb2.Summary.Value(tag=tag, metadata=of_plugin, tensor=tensor)


def _payload(tag: str, payload: bytes) -> summary_pb2.Summary.Value:
    summary_metadata = summary_pb2.SummaryMetadata(
        plugin_data={"plugin_name": metadata.PLUGIN_NAME},
        data_class=summary_pb2.DATA_CLASS_BLOB_SEQUENCE,
    )
    return _string(tag, payload, summary_metadata)


def _string(
    tag: str, string: bytes, summary_metadata: summary_pb2.SummaryMetadata
) -> summary_pb2.Summary.Value:
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[string])
    return summary_pb2.Summary.Value(tag=tag, metadata=summary_metadata, tensor=tensor)


def _layout(model: ModelDescription) -> layout_pb2.Layout:
    """Lays what belongs together into one chart: all layers, or each kind of variable."""
    names = dict.fromkeys(path.rpartition("/")[2] for path in model.variables)
    categories = [
        layout_pb2.Category(
            title="Gradient flow",
            chart=[
                _multiline("global gradient norm", metadata.GLOBAL_GRADIENT_NORM),
                *_charts_of_variables("gradient norm", metadata.GRADIENT_NORM, names),
                *_charts_of_layers(model),
            ],
        ),
        layout_pb2.Category(
            title="Updates",
            chart=_charts_of_variables("update ratio", metadata.UPDATE_RATIO, names),
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
        metadata.ACTIVATION_GRADIENT_RMS: "RMS of the activation gradient, every layer",
        metadata.SATURATED_UNITS: "fraction of saturated units, every layer",
        metadata.DEAD_UNITS: "fraction of dead units, every layer",
    }
    return [_multiline(title, f"{kind}/.*") for kind, title in titles.items() if model.outputs]


def _multiline(title: str, regex: str) -> layout_pb2.Chart:
    return layout_pb2.Chart(
        title=title, multiline=layout_pb2.MultilineChartContent(tag=[f"^{regex}$"])
    )

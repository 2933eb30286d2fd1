"""Turns records into TensorBoard events: what a run looks like to TensorBoard's own tabs.

Pure functions from a contract to a protocol buffer. The names come from `metadata.py`; the file
that the events go to is kept by `writer.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.histogram import metadata as histograms
from tensorboard.plugins.scalar import metadata as scalars

from vg_keras import metadata
from vg_keras.record import ModelDescription, Record
from vg_keras.statistics.histogram import histogram, log10_histogram
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
}

KINDS = tuple(DESCRIPTIONS)
"""The kinds of charts, which `record_event` writes on request."""

_METADATA = {
    (kind, describe): (
        scalars if kind == metadata.GRADIENT_NORM else histograms
    ).create_summary_metadata("", description if describe else "")
    for kind, description in DESCRIPTIONS.items()
    for describe in (True, False)
}

_DTYPES = {np.dtype(np.float64): types_pb2.DT_DOUBLE, np.dtype(np.float32): types_pb2.DT_FLOAT}


def record_event(
    record: Record,
    variables: tuple[str, ...],
    kinds: Collection[str] = KINDS,
    describe: bool = True,
) -> event_pb2.Event:
    """Returns the one event that holds everything measured at a step.

    Args:
        record: What was measured.
        variables: The paths of all monitored variables.
        kinds: Which charts to write for each variable, out of `KINDS`. The payload that `reader.py`
            reads back is written in any case.
        describe: Whether each chart brings its description, of which TensorBoard keeps the first.
    """
    values = [_payload(metadata.RECORD_TAG, metadata.encode_record(record, variables))]
    for path, sketch in record.gradients.items():
        for kind in kinds:
            values += _chart(kind, path, sketch, _METADATA[kind, describe])
    return _event(record.step, record.wall_time, values)


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
    return _event(step, wall_time, values)


def _event(step: int, wall_time: float, values: list[summary_pb2.Summary.Value]) -> event_pb2.Event:
    summary = summary_pb2.Summary(value=values)
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary)


def _chart(
    kind: str, path: str, sketch: Sketch, summary_metadata: summary_pb2.SummaryMetadata
) -> Iterator[summary_pb2.Summary.Value]:
    if kind == metadata.GRADIENT_NORM:
        tensor: NDArray[Any] = np.asarray(metadata.norm_to_plot(sketch), np.float32)
    else:
        tensor = histogram(sketch) if kind == metadata.GRADIENTS else log10_histogram(sketch)
        if not len(tensor):  # nothing finite, or nothing but zeros: there is nothing to draw
            return
    yield summary_pb2.Summary.Value(
        tag=metadata.tag(kind, path), metadata=summary_metadata, tensor=_tensor(tensor)
    )


def _tensor(array: NDArray[Any]) -> tensor_pb2.TensorProto:
    tensor = tensor_pb2.TensorProto(dtype=_DTYPES[array.dtype], tensor_content=array.tobytes())
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


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
    """Lays the norms of all layers into one chart, and those of each kind of variable into one."""
    names = dict.fromkeys(path.rpartition("/")[2] for path in model.variables)
    norm = metadata.GRADIENT_NORM
    charts = [_multiline("gradient norm, every variable", f"{norm}/.*")]
    if len(names) > 1:
        charts += [
            _multiline(f"gradient norm, every {name}", f"{norm}/(.*/)?{re.escape(name)}")
            for name in names
        ]
    category = layout_pb2.Category(title="Gradient flow", chart=charts)
    return layout_pb2.Layout(category=[category])


def _multiline(title: str, regex: str) -> layout_pb2.Chart:
    return layout_pb2.Chart(
        title=title, multiline=layout_pb2.MultilineChartContent(tag=[f"^{regex}$"])
    )

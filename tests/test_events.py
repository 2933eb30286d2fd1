"""What a record looks like to TensorBoard: one event, its tags, types and numbers."""

import math
import re

import numpy as np
import pytest
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.util import tensor_util

from vg_keras import events, metadata
from vg_keras.record import LayerDescription, ModelDescription, Record, VariableDescription
from vg_keras.statistics import buckets
from vg_keras.statistics.sketch import Sketch


def sketch_of(values):
    values = np.asarray(values, np.float32)
    counts = np.bincount(buckets.bucket_of(values), minlength=buckets.NUM_BUCKETS)
    finite = values[np.isfinite(values)].astype(np.float64)
    sums = [finite.sum(), np.abs(finite).sum(), np.linalg.norm(finite)]
    extremes = [finite.min(), finite.max()] if len(finite) else [math.nan, math.nan]
    zeros = np.count_nonzero(values == 0)
    return Sketch.of(counts, [*sums, *extremes, zeros, 0, 0])


def values_of(event):
    return {value.tag: value for value in event.summary.value}


def array_of(event, tag):
    return tensor_util.make_ndarray(values_of(event)[tag].tensor)


def record(**gradients):
    return Record(3, 12.5, {path: sketch_of(values) for path, values in gradients.items()})


def test_an_event_has_the_step_and_the_time_of_its_record():
    event = events.record_event(record(w=[1.0]), ("w",))

    assert (event.step, event.wall_time) == (3, 12.5)


def test_an_event_holds_the_payload_and_three_charts_of_each_variable():
    event = events.record_event(record(v=[1.0], w=[2.0]), ("v", "w"))

    assert [value.tag for value in event.summary.value] == [
        "vg_keras/record",
        "gradients/v",
        "log10_gradients/v",
        "gradient_norm/v",
        "gradients/w",
        "log10_gradients/w",
        "gradient_norm/w",
    ]


def test_only_the_charts_asked_for_are_written():
    event = events.record_event(record(w=[2.0]), ("w",), [metadata.GRADIENT_NORM])

    assert set(values_of(event)) == {"vg_keras/record", "gradient_norm/w"}


def test_the_payload_is_the_record():
    event = events.record_event(record(w=[2.0]), ("w",), [])
    parsed = metadata.parse_record(array_of(event, "vg_keras/record").item(), ("w",))

    assert (parsed.step, parsed.gradients["w"].norm) == (3, 2.0)


def test_the_norm_is_a_scalar_in_float32():
    event = events.record_event(record(w=[3.0, 4.0]), ("w",))
    norm = array_of(event, "gradient_norm/w")

    assert (norm.shape, norm.dtype, norm) == ((), np.float32, 5.0)


def test_the_histogram_is_rows_of_edges_and_count():
    event = events.record_event(record(w=[-1.0, 0.0, 0.0, 3.0]), ("w",))

    assert array_of(event, "gradients/w").tolist() == [[-1, -1, 1], [0, 0, 2], [3, 3, 1]]


def test_the_histogram_of_magnitudes_leaves_zeros_out():
    event = events.record_event(record(w=[0.0, 0.0, 100.0]), ("w",))
    ((left, right, count),) = array_of(event, "log10_gradients/w").tolist()

    assert 1.9 < left <= right == 2
    assert count == 1


def test_of_zeros_alone_there_is_no_histogram_of_magnitudes():
    event = events.record_event(record(w=[0.0, 0.0]), ("w",))

    assert set(values_of(event)) == {"vg_keras/record", "gradients/w", "gradient_norm/w"}


def test_of_nan_alone_there_is_only_a_norm_of_nan():
    event = events.record_event(record(w=[math.nan]), ("w",))

    assert set(values_of(event)) == {"vg_keras/record", "gradient_norm/w"}
    assert math.isnan(array_of(event, "gradient_norm/w"))


def test_beside_nan_the_histogram_is_that_of_the_finite_values():
    event = events.record_event(record(w=[math.nan, math.inf, 2.0]), ("w",))

    assert array_of(event, "gradients/w").tolist() == [[2, 2, 1]]
    assert math.isnan(array_of(event, "gradient_norm/w"))


@pytest.mark.parametrize(
    ("tag", "plugin"),
    [
        ("gradients/w", "histograms"),
        ("log10_gradients/w", "histograms"),
        ("gradient_norm/w", "scalars"),
        ("vg_keras/record", "vg_keras"),
    ],
)
def test_each_value_belongs_to_its_plugin(tag, plugin):
    value = values_of(events.record_event(record(w=[1.0]), ("w",)))[tag]

    assert value.metadata.plugin_data.plugin_name == plugin


@pytest.mark.parametrize("kind", events.KINDS)
def test_each_chart_carries_its_description(kind):
    value = values_of(events.record_event(record(w=[1.0]), ("w",)))[f"{kind}/w"]

    assert value.metadata.summary_description == events.DESCRIPTIONS[kind]


def test_a_chart_that_was_described_before_belongs_to_its_plugin_all_the_same():
    event = events.record_event(record(w=[1.0]), ("w",), describe=False)

    for kind, plugin in [("gradients", "histograms"), ("gradient_norm", "scalars")]:
        metadata = values_of(event)[f"{kind}/w"].metadata
        assert metadata.plugin_data.plugin_name == plugin
        assert metadata.summary_description == ""


def model(*paths):
    variables = tuple(VariableDescription(path, (1,), "float32") for path in paths)
    return ModelDescription("m", (LayerDescription("layer", "Layer", None, variables),))


def test_the_model_is_described_in_an_event_of_its_own():
    event = events.model_event(model("a/kernel"), 5, 2.5)

    assert (event.step, event.wall_time) == (5, 2.5)
    assert set(values_of(event)) == {"vg_keras/model", "custom_scalars__config__"}
    (payload,) = values_of(event)["vg_keras/model"].tensor.string_val
    assert metadata.parse_model(payload) == model("a/kernel")


def charts_of(*paths):
    event = events.model_event(model(*paths), 0, 0.0)
    (payload,) = values_of(event)["custom_scalars__config__"].tensor.string_val
    (category,) = layout_pb2.Layout.FromString(payload).category
    return {chart.title: list(chart.multiline.tag) for chart in category.chart}


def test_norms_are_laid_together_and_by_the_name_of_the_variable():
    assert charts_of("a/kernel", "a/bias", "b/kernel") == {
        "gradient norm, every variable": ["^gradient_norm/.*$"],
        "gradient norm, every kernel": ["^gradient_norm/(.*/)?kernel$"],
        "gradient norm, every bias": ["^gradient_norm/(.*/)?bias$"],
    }


def test_norms_of_one_kind_of_variable_are_one_chart():
    assert charts_of("a/kernel", "b/kernel") == {
        "gradient norm, every variable": ["^gradient_norm/.*$"]
    }


def test_the_chart_of_a_name_finds_no_other_name_that_ends_alike():
    (regex,) = charts_of("lstm/kernel", "lstm/recurrent_kernel")["gradient norm, every kernel"]

    assert re.match(regex, "gradient_norm/lstm/kernel")
    assert not re.match(regex, "gradient_norm/lstm/recurrent_kernel")


def test_the_chart_of_a_name_takes_it_literally():
    charts = charts_of("a/w.b", "a/w+b")

    (dot,) = charts["gradient norm, every w.b"]
    (plus,) = charts["gradient norm, every w+b"]
    assert not re.match(dot, "gradient_norm/a/w+b")
    assert re.match(plus, "gradient_norm/a/w+b")

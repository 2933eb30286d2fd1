"""How a record is written for TensorBoard: one event, with its tags, types and numbers."""

import dataclasses
import math
import re

import numpy as np
import pytest
from scripted_records import (
    MODEL,
    contents,
    full_record,
    layer,
    model_of,
    sketch_of,
    training_of,
)
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.util import tensor_util

from vg_keras.log import charts
from vg_keras.log import format as log_format
from vg_keras.quantities import CHARTS
from vg_keras.ranking import NormHistory
from vg_keras.record import LayerDescription, Record, VariableDescription
from vg_keras.sketch.sketch import Sketch


def values_of(event):
    return {value.tag: value for value in event.summary.value}


def array_of(event, tag):
    return tensor_util.make_ndarray(values_of(event)[tag].tensor)


def gradient_event(*values, **how):
    """Returns the event of a gradient with these values."""
    record = Record(3, 12.5, {"dense/kernel": sketch_of(values)})
    return charts.record_event(record, MODEL, **how)


# What each kind of chart shows of the full record: the tag, and the number or the bars.
SCALARS = {
    "global_gradient_norm": ("log10_global_gradient_norm", math.log10(5)),
    "gradient_norm": ("log10_gradient_norm/01_dense/kernel", math.log10(5)),
    "data_loss_gradient_norm": ("log10_data_loss_gradient_norm/01_dense/kernel", 1.0),
    "regularization_gradient_norm": (
        "log10_regularization_gradient_norm/01_dense/kernel",
        math.log10(0.5),
    ),
    "kernel_update_ratio": ("3_log10_update_ratio/01_dense/kernel", math.log10(0.25)),
    "update_ratio": ("log10_update_ratio/01_dense/kernel", math.log10(0.25)),
    "activation_gradient_norm": ("2_log10_activation_gradient_norm/01_dense", math.log10(3) / 2),
    "activation_gradient_rms": ("log10_activation_gradient_rms/01_dense", math.log10(0.75) / 2),
    "activation_gradient_rms_per_example": (
        "log10_activation_gradient_rms_per_example/01_dense",
        math.log10(8 * math.sqrt(0.75)),
    ),
    "saturated_units": ("saturated_units/01_dense", 0.25),
    "dead_units": ("dead_units/01_dense", 0.125),
}
LOG10_OF_3_AND_4 = [[math.log10(3), math.log10(3.5), 1], [math.log10(4)] * 2 + [1]]
HISTOGRAMS = {
    "gradients": ("gradients/01_dense/kernel", [[3, 3.5, 1], [4, 4, 1]]),
    "log10_gradients": ("log10_gradients/01_dense/kernel", LOG10_OF_3_AND_4),
    "log10_kernel_gradients": ("4_log10_gradients/01_dense/kernel", LOG10_OF_3_AND_4),
    "weights": ("weights/01_dense/kernel", [[0, 0, 1], [2, 2, 1]]),
    "first_moments": ("first_moments/01_dense/kernel", [[-5, -5, 1], [5, 5, 1]]),
    "second_moments": ("second_moments/01_dense/kernel", [[9, 9, 1]]),
    "activations": ("activations/01_dense", [[0, 0, 2], [7, 7, 1]]),
    "activation_gradients": (
        "activation_gradients/01_dense",
        [[-1, -1, 1], [0, 0, 1], [1, 1, 2]],
    ),
    "log10_activation_gradients": ("log10_activation_gradients/01_dense", [[0, 0, 3]]),
}
TEXTS = {"largest_gradients": ("largest_gradients", None)}
OF_RECORD = SCALARS | HISTOGRAMS | TEXTS
TAGS = {kind: tag for kind, (tag, _) in OF_RECORD.items()}

GRADIENT_TAGS = {
    "vg_keras/record",
    "gradients/01_dense/kernel",
    "log10_gradients/01_dense/kernel",
    "4_log10_gradients/01_dense/kernel",
    "log10_gradient_norm/01_dense/kernel",
    "log10_global_gradient_norm",
    "largest_gradients",
}


def test_an_event_has_the_step_and_the_time_of_its_record():
    event = charts.record_event(full_record(4), MODEL)

    assert (event.step, event.wall_time) == (4, 12.5)


def test_an_event_holds_the_payload_and_every_chart_of_what_was_measured():
    event = charts.record_event(full_record(), MODEL)
    tags = [value.tag for value in event.summary.value]

    assert tags[0] == "vg_keras/record"
    assert sorted(tags[1:]) == sorted(TAGS.values())


def test_every_kind_of_chart_is_tested_or_needs_more_than_one_record():
    assert set(charts.KINDS) == {*TAGS, "norm_by_layer", "decades_lost", "diagnoses"}


def test_quantities_that_were_not_measured_have_no_chart():
    assert set(values_of(gradient_event(2.0))) == GRADIENT_TAGS


@pytest.mark.parametrize(("kind", "tag"), TAGS.items())
def test_only_the_requested_charts_are_written(kind, tag):
    event = charts.record_event(full_record(), MODEL, [kind])

    assert set(values_of(event)) == {"vg_keras/record", tag}


@pytest.mark.parametrize(("tag", "expected"), SCALARS.values())
def test_a_scalar_is_a_single_float32(tag, expected):
    array = array_of(charts.record_event(full_record(), MODEL), tag)

    assert (array.shape, array.dtype) == ((), np.float32)
    assert array == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("tag", "expected"), HISTOGRAMS.values())
def test_a_histogram_has_rows_of_edges_and_count(tag, expected):
    array = array_of(charts.record_event(full_record(), MODEL), tag)

    assert array.dtype == np.float32
    assert array == pytest.approx(np.array(expected, np.float64), rel=1e-7)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([1, 1 << 24], np.float32), ([1, (1 << 24) + 1], np.float64)],
    ids=["float32 holds them", "float32 does not"],
)
def test_a_histogram_loses_no_count(counts, expected):
    sketch = Sketch(np.uint16([508, 512]), np.int64(counts), 0, 0, 1, 1, 2.5, 0, 0, 0)
    record = dataclasses.replace(full_record(), gradients={"dense/kernel": sketch})
    array = array_of(charts.record_event(record, MODEL), "gradients/01_dense/kernel")

    assert (array.dtype, array[:, 2].tolist()) == (expected, counts)


def test_each_path_has_its_own_chart():
    model = model_of(layer("a", "kernel", "bias"), layer("b", "kernel", output_shape=(None, 2)))
    gradients = {path: sketch_of([10.0**i]) for i, path in enumerate(model.variables)}
    event = charts.record_event(Record(0, 0.0, gradients), model, ["gradient_norm"])
    names = ["01_a/kernel", "01_a/bias", "02_b/kernel"]

    assert [array_of(event, f"log10_gradient_norm/{name}") for name in names] == [0, 1, 2]


def test_by_default_only_kernels_are_shown():
    kernel, bias = (VariableDescription(f"a/{n}", s, "float32") for n, s in SHAPES.items())
    model = model_of(LayerDescription("a", "Dense", None, (kernel, bias)))
    sketches = {path: sketch_of([1.0]) for path in model.variables}
    norms = dict.fromkeys(model.variables, 1.0)
    record = Record(0, 0.0, sketches, update_norms=norms, weight_norms=norms)
    tags = set(values_of(charts.record_event(record, model, charts.DEFAULT_KINDS)))

    assert tags == {
        "vg_keras/record",
        "3_log10_update_ratio/01_a/kernel",
        "4_log10_gradients/01_a/kernel",
    }


SHAPES = {"kernel": (3, 2), "bias": (2,)}


def test_the_payload_is_the_record():
    event = charts.record_event(full_record(), MODEL, [])
    parsed = log_format.parse_record(array_of(event, "vg_keras/record").item(), MODEL)

    assert contents(parsed) == contents(full_record())


def test_a_gradient_of_zeros_has_no_logarithm():
    event = gradient_event(0.0, 0.0)

    assert set(values_of(event)) == {
        "vg_keras/record",
        "gradients/01_dense/kernel",
        "largest_gradients",
    }


def test_a_gradient_of_nans_has_only_nan_norms():
    event = gradient_event(math.nan)
    norms = ["log10_gradient_norm/01_dense/kernel", "log10_global_gradient_norm"]

    assert set(values_of(event)) == {"vg_keras/record", "largest_gradients", *norms}
    assert all(math.isnan(array_of(event, norm)) for norm in norms)


def test_the_histogram_covers_the_finite_values_next_to_nan():
    event = gradient_event(math.nan, math.inf, 2.0)

    assert array_of(event, "gradients/01_dense/kernel").tolist() == [[2, 2, 1]]
    assert math.isnan(array_of(event, "log10_gradient_norm/01_dense/kernel"))


@pytest.mark.parametrize("kind", ["activation_gradient_rms", "activation_gradient_rms_per_example"])
def test_a_nonfinite_signal_has_a_root_mean_square_of_nan(kind):
    signals = {"dense": sketch_of([math.inf, 1.0])}
    record = Record(0, 0.0, {}, activation_gradients=signals, examples={"dense": 2})
    event = charts.record_event(record, MODEL)

    assert math.isnan(array_of(event, f"log10_{kind}/01_dense"))


def logged_ratio(update, weight):
    norms = {"update_norms": {"dense/kernel": update}, "weight_norms": {"dense/kernel": weight}}
    event = charts.record_event(Record(0, 0.0, {}, **norms), MODEL, ["update_ratio"])
    tag = "log10_update_ratio/01_dense/kernel"
    return array_of(event, tag).item() if tag in values_of(event) else "no point"


@pytest.mark.parametrize(
    ("update", "weight", "expected"),
    [(0.01, 1.0, -2.0), (0.5, 0.0, "no point"), (0.0, 0.0, "no point"), (0.0, 2.0, "no point")],
)
def test_the_logarithm_of_what_is_zero_or_not_defined_is_left_out(update, weight, expected):
    assert logged_ratio(update, weight) == expected


@pytest.mark.parametrize(("update", "weight"), [(math.nan, 0.0), (math.nan, 2.0)])
def test_the_logarithm_of_nan_is_nan(update, weight):
    assert math.isnan(logged_ratio(update, weight))


def plugin_of(value):
    return value.metadata.plugin_data.plugin_name


@pytest.mark.parametrize("describe", [charts.KINDS, ()])
def test_each_value_belongs_to_its_plugin(describe):
    event = charts.record_event(full_record(), MODEL, describe=describe)

    assert {tag: plugin_of(value) for tag, value in values_of(event).items()} == {
        **{tag: "scalars" for tag, _ in SCALARS.values()},
        **{tag: "histograms" for tag, _ in HISTOGRAMS.values()},
        **{tag: "text" for tag, _ in TEXTS.values()},
        "vg_keras/record": "vg_keras",
    }


@pytest.mark.parametrize(("kind", "tag"), TAGS.items())
def test_each_chart_has_its_description(kind, tag):
    value = values_of(charts.record_event(full_record(), MODEL))[tag]

    assert value.metadata.summary_description == CHARTS[kind][1].description != ""


@pytest.mark.parametrize("tag", TAGS.values())
def test_a_chart_is_described_only_once(tag):
    value = values_of(charts.record_event(full_record(), MODEL, describe=()))[tag]

    assert value.metadata.summary_description == ""


def test_a_training_run_is_described_in_a_separate_event():
    event = charts.training_event(training_of(), 5, 2.5)

    assert (event.step, event.wall_time) == (5, 2.5)
    assert set(values_of(event)) == {"vg_keras/training", "custom_scalars__config__"}
    (payload,) = values_of(event)["vg_keras/training"].tensor.string_val
    assert log_format.parse_training(payload) == training_of()


def charts_of(*layers, kinds=charts.KINDS):
    """The titles and patterns of the charts in the only category."""
    event = charts.training_event(training_of(model=model_of(*layers)), 0, 0.0, kinds)
    (payload,) = values_of(event)["custom_scalars__config__"].tensor.string_val
    (category,) = layout_pb2.Layout.FromString(payload).category
    assert category.title == "Gradient flow"
    return {chart.title: list(chart.multiline.tag) for chart in category.chart}


OF_VARIABLES = ["gradient_norm", "update_ratio"]


def test_the_layout_shows_what_is_written_by_default():
    found = charts_of(
        layer("a", "kernel", "bias", output_shape=(None, 3)), kinds=charts.DEFAULT_KINDS
    )

    assert list(found.items()) == [
        (
            "decades lost from the last hidden layer to the first",
            ["^1_gradient_flow/decades_lost$"],
        ),
        (
            "log10 of the activation gradient, every layer",
            ["^2_log10_activation_gradient_norm/.*$"],
        ),
        ("log10 of the update ratio, every kernel", ["^3_log10_update_ratio/.*$"]),
    ]


def test_variables_are_grouped_by_name():
    found = charts_of(layer("a", "kernel", "bias"), layer("b", "kernel"), kinds=OF_VARIABLES)

    assert found == {
        "log10 of the gradient norm, every variable": ["^log10_gradient_norm/.*$"],
        "log10 of the gradient norm, every kernel": ["^log10_gradient_norm/(.*/)?kernel$"],
        "log10 of the gradient norm, every bias": ["^log10_gradient_norm/(.*/)?bias$"],
        "log10 of the update ratio, every variable": ["^log10_update_ratio/.*$"],
        "log10 of the update ratio, every kernel": ["^log10_update_ratio/(.*/)?kernel$"],
        "log10 of the update ratio, every bias": ["^log10_update_ratio/(.*/)?bias$"],
    }


def test_variables_with_equal_names_share_a_chart():
    found = charts_of(layer("a", "kernel"), layer("b", "kernel"), kinds=OF_VARIABLES)

    assert found == {
        "log10 of the gradient norm, every variable": ["^log10_gradient_norm/.*$"],
        "log10 of the update ratio, every variable": ["^log10_update_ratio/.*$"],
    }


def test_layers_are_grouped():
    kinds = ["activation_gradient_rms", "saturated_units", "dead_units", "global_gradient_norm"]
    found = charts_of(layer("a", "kernel", output_shape=(None, 3)), kinds=kinds)

    assert found == {
        "log10 of the global gradient norm": ["^log10_global_gradient_norm$"],
        "log10 of the RMS of the activation gradient, every layer": [
            "^log10_activation_gradient_rms/.*$"
        ],
        "fraction of saturated units, every layer": ["^saturated_units/.*$"],
        "fraction of dead units, every layer": ["^dead_units/.*$"],
    }


def test_without_monitored_outputs_no_chart_of_layers_is_laid_out():
    assert charts_of(layer("a", "kernel"), kinds=["dead_units", "activation_gradient_norm"]) == {}


def test_the_chart_of_all_signals_excludes_signals_per_example():
    found = charts_of(layer("a", "kernel", output_shape=(None, 3)))
    (regex,) = found["log10 of the RMS of the activation gradient, every layer"]

    assert re.match(regex, "log10_activation_gradient_rms/01_a/b")
    assert not re.match(regex, "log10_activation_gradient_rms_per_example/01_a/b")


def test_the_chart_of_a_name_excludes_names_with_the_same_ending():
    found = charts_of(layer("lstm", "kernel", "recurrent_kernel"))
    (regex,) = found["log10 of the gradient norm, every kernel"]

    assert re.match(regex, "log10_gradient_norm/01_lstm/kernel")
    assert not re.match(regex, "log10_gradient_norm/01_lstm/recurrent_kernel")


def test_special_characters_in_a_name_are_matched_literally():
    found = charts_of(layer("a", "w.b", "w+b"))

    (dot,) = found["log10 of the gradient norm, every w.b"]
    (plus,) = found["log10 of the gradient norm, every w+b"]
    assert not re.match(dot, "log10_gradient_norm/01_a/w+b")
    assert re.match(plus, "log10_gradient_norm/01_a/w+b")


def text_of(event):
    (text,) = values_of(event)["largest_gradients"].tensor.string_val
    return text.decode()


def test_the_largest_gradients_are_written_as_one_text():
    paths = [f"v/{i}" for i in range(100)]
    record = Record(3, 12.5, {p: sketch_of([float(i)]) for i, p in enumerate(paths)})
    model = model_of(layer("v", *map(str, range(100))))
    event = charts.record_event(record, model, ["largest_gradients"])

    assert len(values_of(event)) == 2
    assert [line for line in text_of(event).splitlines() if "| v/" in line] == [
        f"| v/{i} | {i} |" for i in (99, 98, 97, 96, 95)
    ]


def test_a_gradient_that_deviates_from_its_past_is_named():
    history = NormHistory()
    for _ in range(3):
        history.add(Record(0, 0.0, {"v/a": sketch_of([1.0]), "v/b": sketch_of([50.0])}))
    record = Record(3, 12.5, {"v/a": sketch_of([20.0]), "v/b": sketch_of([50.0])})
    model = model_of(layer("v", "a", "b"))
    text = text_of(charts.record_event(record, model, ["largest_gradients"], history=history))

    assert text.index("Furthest from their usual norm") < text.index("| v/a | 20 | 1 |")


def test_without_gradients_there_is_no_global_norm():
    record = dataclasses.replace(full_record(), gradients={}, update_norms={}, weight_norms={})

    assert math.isnan(record.global_gradient_norm)
    assert not {"log10_global_gradient_norm", "largest_gradients"} & set(
        values_of(charts.record_event(record, MODEL))
    )


@pytest.mark.parametrize(("values", "expected"), [((3.0, 4.0), 5.0), ((math.inf, 1.0), math.nan)])
def test_the_global_norm_covers_all_gradients(values, expected):
    record = Record(0, 0.0, {f"v{i}": sketch_of([value]) for i, value in enumerate(values)})

    assert record.global_gradient_norm == pytest.approx(expected, nan_ok=True)
